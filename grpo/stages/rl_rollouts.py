"""The rollouts of an `rl` stage: which prompts a round takes, their completions, the verdicts on them."""

from collections.abc import Mapping, Sequence

from accelerate import Accelerator

from grpo.data.order import prompts_for_step
from grpo.recipe.fields import Sampling
from grpo.recipe.schema import RLStage
from grpo.records import Group, Prompt
from grpo.rollout.engine import Engine
from grpo.scoring.scorer import Scorer
from grpo.seeds import derive_seed
from grpo.stages.clock import Clock
from grpo.stages.groups import sample_into
from grpo.stages.processes import gather_groups, share
from grpo.stages.stage import StageInputs


class Rollouts:
    """Rounds of prompts_per_step groups. rounds: how many were drawn since the stage began; with the step it is all
    that the next round depends on."""

    def __init__(
        self,
        settings: RLStage,
        inputs: StageInputs,
        prompts: Sequence[Prompt],
        engine: Engine,
        scorer: Scorer,
        accelerator: Accelerator,
        rounds: int,
    ) -> None:
        self._settings, self._inputs, self._prompts = settings, inputs, prompts
        self._engine, self._scorer, self._accelerator = engine, scorer, accelerator
        self.rounds = rounds

    def round(self, now: Sampling, weights: Mapping[str, float], step: int, number: int, clock: Clock) -> list[Group]:
        """Round `number` (from 0) of a step: all processes' groups, in the order of the prompts.

        now: how the step samples. weights: of its rewards, by label. Raises GuardError where too many completions could
        not be judged.
        """
        # A small data set comes round within a step; its prompts are then sampled with other seeds.
        place = (self._inputs.seed, self._inputs.name, step, *((number,) if number else ()))
        with clock("sample"):
            prompts, samples = self._draw(), self._settings.num_generations
            sample_into(self._scorer, self._engine, prompts, now, samples, place, step)
        with clock("score"):
            groups = gather_groups(self._scorer.finish(), self._accelerator)
        self._scorer.guard(groups, weights)
        return groups

    def _draw(self) -> list[Prompt]:
        """This process's share of the next prompts."""
        chosen = prompts_for_step(
            len(self._prompts),
            self._settings.prompts_per_step,
            self.rounds,
            seed=derive_seed(self._inputs.seed, self._inputs.name, "order"),
            shuffle=self._settings.data.shuffle,
        )
        self.rounds += 1
        picked = [self._prompts[index] for index in chosen]
        return share(picked, self._accelerator.process_index, self._accelerator.num_processes)
