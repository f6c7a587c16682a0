"""One GRPO stage, top to bottom: sample, score, advantage, update, sync, record, save.

DeepSeekMath (arXiv 2402.03300), algorithm 1; DeepSeek-R1 (arXiv 2501.12948). Each line of the loop calls one room.
"""

from collections.abc import Mapping
from functools import partial

from grpo.algorithm.advantages import group_advantages
from grpo.algorithm.samples import reward_statistics, source_statistics, to_samples
from grpo.algorithm.selection import Judge, count_with_signal, select
from grpo.recipe.schedule import settings_at, weights_at
from grpo.recipe.trained_stages import RLStage
from grpo.records import Group
from grpo.scoring.metrics import reward_metrics
from grpo.stages.clock import Clock
from grpo.stages.rl_rooms import Rooms, open_rooms
from grpo.stages.rollout_metrics import completion_metrics
from grpo.stages.stage import StageInputs, StageResult


def run(settings: RLStage, inputs: StageInputs) -> StageResult:
    """Train the policy from its newest checkpoint, or from `inputs.policy_path`, to the last step.

    Raises UserError for what the user can mend, GuardError where going on would train on wrong data.
    """
    with open_rooms(settings, inputs) as rooms:
        train(settings, rooms)
        return rooms.finish()


def train(settings: RLStage, rooms: Rooms) -> None:
    """The loop. Everything random is a function of the step, so it starts at any step and goes the same way."""
    clock = Clock()
    if rooms.step == 0:
        rooms.evaluate(step=0)
    for step in range(rooms.step + 1, rooms.steps + 1):
        now, weights = settings_at(settings, step), weights_at(settings, step)
        judge = judge_of(now, weights)
        rooms.references.prepare(step)
        groups: list[Group] = []
        for number in range(settings.sampling_rounds):
            if number and count_with_signal(judge(groups)) >= settings.prompts_per_step:
                break
            groups += rooms.rollouts.round(now, weights, step, number, clock)
        chosen = select(groups, judge, settings.prompts_per_step, settings.train_generations)
        samples = to_samples(chosen.groups, chosen.advantages, mask_truncated=settings.mask_truncated_completions)
        with clock("update"), rooms.engine_asleep():
            metrics = rooms.updater.round(samples, now.max_completion_length, now.temperature)
        with clock("sync"):
            metrics |= rooms.sync.push(version=step)

        metrics |= reward_statistics(groups, chosen.sampled) | reward_metrics(groups, list(weights))
        metrics |= source_statistics(groups, chosen.sampled) | rooms.supply.learn(groups, judge)
        metrics |= completion_metrics(groups) | rooms.scorer.extra_metrics
        rooms.record.step(step, metrics, clock.read())
        rooms.record.rollouts(step, groups, chosen.sampled)
        if step % rooms.evaluate_every == 0 or step == rooms.steps:
            with clock("evaluate"):
                rooms.evaluate(step)
        if step % settings.checkpoints.save_every == 0 or step == rooms.steps:
            with clock("save"):
                rooms.save(step)


def judge_of(settings: RLStage, weights: Mapping[str, float]) -> Judge:
    """Groups to advantages, as the settings of the step say."""
    return partial(
        group_advantages,
        weights=weights,
        scale_rewards=settings.scale_rewards,
        baseline=settings.baseline,
        aggregation=settings.multi_objective_aggregation,
        keep_unrewarded=settings.reference is not None,
    )
