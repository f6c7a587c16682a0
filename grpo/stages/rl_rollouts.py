"""The rollouts of an `rl` stage: which prompts a round takes, their completions, the verdicts on them."""

from collections.abc import Mapping

from accelerate import Accelerator

from grpo.recipe.fields import Sampling
from grpo.recipe.trained_stages import RLStage
from grpo.records import Group
from grpo.rollout.engine import Engine
from grpo.scoring.scorer import Scorer
from grpo.stages.clock import Clock
from grpo.stages.groups import sample_into
from grpo.stages.processes import gather_groups, share
from grpo.stages.stage import StageInputs
from grpo.stages.supply import Supply


class Rollouts:
    """Rounds of prompts_per_step groups."""

    def __init__(
        self,
        settings: RLStage,
        inputs: StageInputs,
        supply: Supply,
        engine: Engine,
        scorer: Scorer,
        accelerator: Accelerator,
    ) -> None:
        self._settings, self._inputs, self._supply = settings, inputs, supply
        self._engine, self._scorer, self._accelerator = engine, scorer, accelerator

    def round(self, now: Sampling, weights: Mapping[str, float], step: int, number: int, clock: Clock) -> list[Group]:
        """Round `number` (from 0) of a step: all processes' groups, in the order of the prompts.

        now: how the step samples. weights: of its rewards, by label. Raises GuardError where too many completions could
        not be judged.
        """
        # A small data set comes round within a step; its prompts are then sampled with other seeds.
        place = (self._inputs.seed, self._inputs.name, step, *((number,) if number else ()))
        with clock("sample"):
            prompts = share(self._supply.draw(step), self._accelerator.process_index, self._accelerator.num_processes)
            sample_into(self._scorer, self._engine, prompts, now, self._settings.num_generations, place, step)
        with clock("score"):
            groups = gather_groups(self._scorer.finish(), self._accelerator)
        self._scorer.guard(groups, weights)
        return groups
