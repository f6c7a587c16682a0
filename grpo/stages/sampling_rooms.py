"""The rooms of a stage that samples a policy and trains nothing: its reading, its engine, its workers."""

from collections.abc import Sequence
from contextlib import ExitStack

from accelerate import Accelerator

from grpo.models.reading import open_reading
from grpo.recipe.fields import Data, Reward
from grpo.recipe.sampled_stages import Sampled
from grpo.records import Prompt
from grpo.rollout.engine import Engine
from grpo.scoring.scorer import Scorer
from grpo.stages.groups import engine_for
from grpo.stages.prompts import load_data, open_scorer, readable
from grpo.stages.stage import StageInputs


class SamplingRooms:
    """closing: closes engine and workers, whatever happens."""

    def __init__(self, settings: Sampled, inputs: StageInputs, closing: ExitStack) -> None:
        self.accelerator = Accelerator()
        self._settings, self._inputs, self._closing = settings, inputs, closing
        self._reading = open_reading(inputs.model, inputs.policy_path)

    def prompts(
        self, data: Data, rewards: Sequence[Reward], key: str, max_completion_length: int
    ) -> tuple[list[Prompt], Scorer]:
        """The prompts of `data` and the workers that judge their completions. key: in the stage, of the mapping that
        holds both, with its dot; "" for the stage itself."""
        loaded = load_data(data, self._inputs, f"{key}data", self._reading, max_completion_length)
        scorer = open_scorer(
            rewards, self._settings.reward_workers, self._inputs, f"{key}rewards", self._settings.max_unjudged
        )
        self._closing.callback(scorer.close)
        return readable(loaded, scorer, data, self._inputs.where(f"{key}data")).prompts, scorer

    def engine(self, longest_prompt: int, longest_completion: int) -> Engine:
        """The engine with the policy's weights; lengths in tokens."""
        lengths = longest_prompt, longest_completion
        engine = engine_for(self._settings.rollout, self._inputs, self._reading, self.accelerator, *lengths)
        self._closing.callback(engine.close)
        return engine
