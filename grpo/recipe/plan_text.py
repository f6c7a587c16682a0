"""The plan as a page of plain text: what `grpo-train` prints before anything is loaded."""

from collections.abc import Iterator, Mapping

from grpo.recipe.fields import Evaluate, Model
from grpo.recipe.graph import BASE, order
from grpo.recipe.plan import DataSizes, RLPlan, SampledPlan, SFTPlan, plan_stage
from grpo.recipe.plan_words import count, engine_of, rewards_of, rows_of, template_of
from grpo.recipe.sampled_stages import EvaluateStage, SampleStage
from grpo.recipe.schedule import step_of_update
from grpo.recipe.schema import Recipe, RLStage, SFTStage


def format_plan(recipe: Recipe, sizes: Mapping[str, DataSizes] | None = None) -> str:
    """The plan of every stage; `sizes` by stage where the data has been read."""
    lines = [f"model    {describe_model(recipe.model)}", f"run_dir  {recipe.run_dir} (seed {recipe.seed})"]
    for number, name in enumerate(order(recipe.stages), start=1):
        stage, known = recipe.stages[name], (sizes or {}).get(name)
        plan = plan_stage(recipe, name, known)
        own = describe_model(stage.model) if stage.model else "the recipe's model"
        start = own if plan.starts_from == BASE else f"the policy of {plan.starts_from}"
        lines += ["", f"stage {number} of {len(recipe.stages)}: {name} ({stage.kind}), starts from {start}"]
        lines += [f"  requires {metric} {text}" for metric, text in stage.require.items()]
        if isinstance(stage, RLStage) and isinstance(plan, RLPlan):
            lines += [f"  {line}" for line in _rl_lines(stage, plan, known)]
            lines += [f"  note: {note}" for note in rl_notes(stage, plan, known)]
        elif isinstance(stage, SFTStage) and isinstance(plan, SFTPlan):
            lines += [f"  {line}" for line in _sft_lines(stage, plan, known)]
        elif isinstance(stage, SampleStage) and isinstance(plan, SampledPlan):
            lines += [f"  {line}" for line in _sample_lines(stage, plan)]
        elif isinstance(stage, EvaluateStage) and isinstance(plan, SampledPlan):
            lines += [f"  {line}" for line in _evaluate_lines(stage, plan)]
    return "\n".join(lines)


def plan_additions(recipe: Recipe, sizes: Mapping[str, DataSizes]) -> str:
    """What the plan says once the data has been read and did not say before, by stage."""
    known_before = format_plan(recipe).splitlines()
    page = format_plan(recipe, sizes).splitlines()
    return "\n".join(line for line in page if line.startswith("stage ") or (line and line not in known_before))


def describe_model(model: Model) -> str:
    if model.tiny is None:
        return f"{model.path} ({model.dtype})"
    tiny = model.tiny
    return f"tiny {tiny.architecture}, {tiny.layers} layers of {tiny.hidden_size}, made by the recipe ({model.dtype})"


def _rl_lines(stage: RLStage, plan: RLPlan, sizes: DataSizes | None) -> Iterator[str]:
    yield from _source_lines(stage)
    yield f"engine   {engine_of(stage.rollout)}, temperature {stage.temperature:g}"
    yield (
        f"step     {stage.prompts_per_step} prompts × {stage.num_generations} completions = "
        f"{plan.completions_per_step:,} completions of at most {stage.max_completion_length:,} tokens"
    )
    yield (
        f"update   {count(stage.updates_per_step, 'update')} a step, each of {plan.completions_per_update:,} "
        f"completions ({plan.groups_per_update:g} groups), in micro-batches of {stage.tokens_per_microbatch:,} tokens"
    )
    yield f"loss     {stage.loss_type}, beta {stage.beta:g}, {_rate(stage)}"
    if stage.reference is not None:
        yield f"reference {stage.reference}"
    if plan.steps is None or plan.completions is None:
        yield f"run      {stage.epochs:g} epochs: the number of steps is known once the data has been read"
    else:
        yield (
            f"run      {count(plan.steps, 'step')} = {count(plan.updates or 0, 'update')}; {plan.completions:,} "
            f"completions in all, at most {plan.completions * stage.max_completion_length:,} tokens sampled"
        )
    if plan.steps_per_epoch and plan.steps and sizes and not stage.mixture:
        seen = plan.steps * stage.prompts_per_step / sizes.rows
        yield (
            f"epochs   {sizes.rows:,} prompts = {count(plan.steps_per_epoch, 'step')} an epoch; "
            f"each prompt is taken {seen:.3g} times"
        )
    if stage.evaluate:
        yield f"held out {_evaluation(stage.evaluate, plan, sizes)}"


def _source_lines(stage: RLStage) -> Iterator[str]:
    total = sum(source.weight for source in stage.sources.values())
    for name, source in stage.sources.items():
        share = f"{name}, {source.weight / total:.0%} of the prompts: " if name else ""
        yield f"data     {share}{rows_of(source.data)}, template {template_of(source.data)}"
        if source.rewards:
            yield f"         judged by {rewards_of(source.rewards)}"
    if stage.rewards:
        yield f"rewards  {rewards_of(stage.rewards)}"


def _evaluation(evaluate: Evaluate, plan: RLPlan, sizes: DataSizes | None) -> str:
    each = evaluate.num_generations if evaluate.temperature > 0 else 1
    greedy = evaluate.greedy and evaluate.temperature > 0
    times = f"{plan.evaluations} evaluations" if plan.evaluations else "evaluations"
    text = (
        f"{times} (at the start, every {evaluate.every} steps, at the end), {count(each, 'sample')} a prompt "
        f"at temperature {evaluate.temperature:g}{' and one greedy' if greedy else ''}"
    )
    if sizes and sizes.held_out is not None:
        text += f": {sizes.held_out * (each + greedy):,} completions each time"
    return text


def _sample_lines(stage: SampleStage, plan: SampledPlan) -> Iterator[str]:
    yield f"data     {rows_of(stage.data)}, template {template_of(stage.data)}"
    yield f"rewards  {rewards_of(stage.rewards)}"
    yield f"engine   {engine_of(stage.rollout)}, temperature {stage.temperature:g}"
    in_all = "" if plan.completions is None else f" = {plan.completions:,} completions in all"
    yield (
        f"sample   {count(stage.num_generations, 'completion')} a prompt{in_all}, of at most "
        f"{stage.max_completion_length:,} tokens, in rounds of {count(stage.prompts_per_round, 'prompt')}"
    )
    yield f"keep     {', '.join(each.label for each in stage.keep) or 'everything'}"


def _evaluate_lines(stage: EvaluateStage, plan: SampledPlan) -> Iterator[str]:
    yield f"engine   {engine_of(stage.rollout)}"
    for name, benchmark in stage.benchmarks.items():
        greedy = " and one greedy" if benchmark.also_greedy else ""
        yield (
            f"{name}: {rows_of(benchmark.data)}, {count(benchmark.samples, 'sample')} a prompt at temperature "
            f"{benchmark.temperature:g}{greedy}, judged by {rewards_of(benchmark.rewards)}"
        )
    if plan.completions is not None:
        yield f"sample   {plan.completions:,} completions in all"


def rl_notes(stage: RLStage, plan: RLPlan, sizes: DataSizes | None = None) -> Iterator[str]:
    """What follows from the numbers and is easily overlooked."""
    if stage.refresh_reference_every:
        every = count(stage.refresh_reference_every, "update")
        first = step_of_update(stage, stage.refresh_reference_every)
        yield f"the policy becomes the reference every {every}, first before step {first:,}"
    for change in stage.changes:
        listed = [f"{name} {value:,g}" for name, value in change.settings.items()]
        listed += [f"weight of {label} {weight:g}" for label, weight in change.weights.items()]
        listed += [f"weight of source {source} {weight:g}" for source, weight in change.mixture.items()]
        step = step_of_update(stage, change.at_update)
        yield f"from update {change.at_update:,} on (step {step:,}): {', '.join(listed)}"
    if stage.sampling_rounds > 1:
        yield (
            f"a step samples up to {stage.sampling_rounds} times as many completions, until {stage.prompts_per_step} "
            "groups have a signal; figures of rewards are over all of them"
        )
    if plan.completions_per_update % stage.trained_generations:
        yield (
            "an update ends inside a group. Advantages are computed over the whole step, so this changes which update "
            "a completion counts in, not its advantage"
        )
    if stage.updates_per_step == 1 and stage.loss_type != "reinforce":
        yield "one update a step: the importance ratio is 1, so epsilon and delta never act"
    if stage.updates_per_step > 1:
        yield (
            f"{stage.updates_per_step} updates a step at the full learning rate each: the policy moves about as many "
            "times as far a step as with one"
        )
    if stage.tokens_per_microbatch < stage.max_completion_length:
        yield "a longest completion has more than tokens_per_microbatch tokens: it makes a micro-batch of its own"
    if (
        sizes
        and stage.data
        and stage.data.shuffle
        and sizes.rows > stage.prompts_per_step
        and sizes.rows % stage.prompts_per_step
    ):
        yield "the last step of an epoch reaches into the next one"
    if plan.updates is not None and stage.warmup_updates >= plan.updates:
        yield f"warmup_updates: {stage.warmup_updates} is not shorter than the run: the full rate is never reached"
    if plan.steps is not None and stage.evaluate and stage.evaluate.every > plan.steps:
        yield f"evaluate.every: {stage.evaluate.every} is longer than the run: evaluated at its start and end only"
    if plan.steps is not None and stage.checkpoints.save_every > plan.steps:
        yield f"checkpoints.save_every: {stage.checkpoints.save_every} is longer than the run: saved at its end only"
    weighed = {label for change in stage.changes for label, weight in change.weights.items() if weight}
    unweighted = [reward.label for reward in stage.all_rewards if reward.weight == 0 and reward.label not in weighed]
    if unweighted:
        yield f"weight 0, so recorded only: {', '.join(unweighted)}"


def _sft_lines(stage: SFTStage, plan: SFTPlan, sizes: DataSizes | None) -> Iterator[str]:
    microbatches = stage.batch_size // (stage.microbatch_size or stage.batch_size)
    data = " + ".join(map(rows_of, stage.parts.values()))
    yield f"data     {data}, loss over {'completions' if stage.completion_only else 'whole sequences'}"
    yield (
        f"update   {stage.batch_size} sequences of at most {stage.max_length:,} tokens, "
        f"in {count(microbatches, 'micro-batch')}"
    )
    yield f"loss     {_rate(stage)}"
    if plan.updates is None:
        yield f"run      {stage.epochs:g} epochs: the number of updates is known once the data has been read"
    else:
        yield f"run      {count(plan.updates, 'update')}; {plan.sequences:,} sequences in all"
    if sizes and plan.sequences:
        yield f"epochs   {sizes.rows:,} rows; each is taken {plan.sequences / sizes.rows:.3g} times"
    if stage.packing:
        yield "note: packing puts several rows into a sequence: an epoch is fewer updates than its rows suggest"


def _rate(stage: RLStage | SFTStage) -> str:
    warmup = f" after {count(stage.warmup_updates, 'update')} of warm-up" if stage.warmup_updates else ""
    return f"learning rate {stage.learning_rate:g} {stage.lr_scheduler_type}{warmup}"
