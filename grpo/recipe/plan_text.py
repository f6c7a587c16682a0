"""The plan as a page of plain text: what `grpo-train` prints before anything is loaded."""

from collections.abc import Iterator, Mapping

from grpo.recipe.fields import Evaluate, Model
from grpo.recipe.graph import BASE, order
from grpo.recipe.plan import DataSizes, RLPlan, SampledPlan, SFTPlan, plan_stage
from grpo.recipe.plan_notes import rl_notes
from grpo.recipe.plan_words import count, engine_of, rewards_of, rows_of, template_of
from grpo.recipe.sampled_stages import EvaluateStage, ExportStage, SampleStage
from grpo.recipe.schema import Recipe
from grpo.recipe.trained_stages import RLStage, SFTStage


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
        elif isinstance(stage, ExportStage):
            lines += [f"  write    weights in {stage.dtype}, tokenizer, card and lineage"]
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
    yield f"loss     {stage.loss_type}, beta {stage.beta:g}, {_rate(stage)}{_adapters(stage)}"
    if saved := _saved(stage):
        yield f"memory   {saved}"
    if stage.reference is not None:
        yield f"kl to    {stage.reference}"
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


def _sft_lines(stage: SFTStage, plan: SFTPlan, sizes: DataSizes | None) -> Iterator[str]:
    microbatches = stage.batch_size // (stage.microbatch_size or stage.batch_size)
    data = " + ".join(map(rows_of, stage.parts.values()))
    yield f"data     {data}, loss over {'completions' if stage.completion_only else 'whole sequences'}"
    yield (
        f"update   {stage.batch_size} sequences of at most {stage.max_length:,} tokens, "
        f"in {count(microbatches, 'micro-batch')}"
    )
    yield f"loss     {_rate(stage)}{_adapters(stage)}"
    if plan.updates is None:
        yield f"run      {stage.epochs:g} epochs: the number of updates is known once the data has been read"
    else:
        yield f"run      {count(plan.updates, 'update')}; {plan.sequences:,} sequences in all"
    if sizes and plan.sequences:
        yield f"epochs   {sizes.rows:,} rows; each is taken {plan.sequences / sizes.rows:.3g} times"
    if stage.packing:
        yield "note: packing puts several rows into a sequence: an epoch is fewer updates than its rows suggest"


def _adapters(stage: RLStage | SFTStage) -> str:
    return f", LoRA of rank {stage.lora.r}" if stage.lora else ""


def _saved(stage: RLStage) -> str:
    """What learns in less memory than fp32 masters, gradients and moments take."""
    states = ["8-bit optimizer states"] if stage.optim == "adamw_torch_8bit" else []
    return ", ".join(states + ["bf16 weights rounded stochastically"] * bool(stage.stochastic_rounding))


def _rate(stage: RLStage | SFTStage) -> str:
    warmup = f" after {count(stage.warmup_updates, 'update')} of warm-up" if stage.warmup_updates else ""
    floor = f" to {stage.lr_floor:g} of it" if stage.lr_floor else ""
    return f"learning rate {stage.learning_rate:g} {stage.lr_scheduler_type}{floor}{warmup}"
