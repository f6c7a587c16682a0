"""What follows from the numbers of an `rl` stage and is easily overlooked: the notes of its plan."""

from collections.abc import Iterator

from grpo.recipe.plan import DataSizes, RLPlan
from grpo.recipe.plan_words import count
from grpo.recipe.schedule import step_of_update
from grpo.recipe.trained_stages import RLStage


def rl_notes(stage: RLStage, plan: RLPlan, sizes: DataSizes | None = None) -> Iterator[str]:
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
    if stage.updates_per_step == 1 and stage.loss_type != "reinforce" and stage.mismatch.mode != "as_old":
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
