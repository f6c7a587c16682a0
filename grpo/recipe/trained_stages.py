"""The kinds of stage that make a policy: `sft` and `rl`."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag, model_validator

from grpo.recipe.fields import Checkpoints, Data, Evaluate, Optimizer, Reward
from grpo.recipe.mixture import ALONE, PromptSource, SourceName, distinct, mistakes, source_key
from grpo.recipe.rl_settings import RLSettings
from grpo.recipe.stage_base import TrainedStage


def _both(steps: int | None) -> str:
    return "not neither" if steps is None else "not both"


def _one_or_several(value: Any) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


OneOrSeveral = Annotated[
    Annotated[Data, Tag("one")] | Annotated[tuple[Data, ...], Field(min_length=1), Tag("several")],
    Discriminator(_one_or_several),
]


class SFTStage(TrainedStage, Optimizer):
    """Supervised fine-tuning by TRL's SFTTrainer on rows with `prompt` and `completion`.

    data: one source, or a list of them: their rows together, shuffled. batch_size: sequences an update.
    completion_only: the loss counts completion tokens alone.
    """

    kind: Literal["sft"]
    data: OneOrSeveral
    learning_rate: float = Field(default=5e-5, gt=0)
    steps: PositiveInt | None = None
    epochs: float | None = Field(default=None, gt=0)
    batch_size: PositiveInt = 32
    microbatch_size: PositiveInt | None = None
    max_length: PositiveInt = 1024
    packing: bool = False
    completion_only: bool = True
    checkpoints: Checkpoints = Checkpoints(save_every=100)

    @property
    def parts(self) -> dict[str, Data]:
        """Every source of rows, by its key in the stage."""
        if isinstance(self.data, Data):
            return {"data": self.data}
        return {f"data.{number}": data for number, data in enumerate(self.data)}

    @model_validator(mode="after")
    def _one_length(self) -> "SFTStage":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(
                f"give either `steps` (updates) or `epochs`, {_both(self.steps)} (null drops an inherited one)"
            )
        if self.microbatch_size and self.batch_size % self.microbatch_size:
            raise ValueError("batch_size must be a multiple of microbatch_size")
        return self


class RLStage(TrainedStage, RLSettings):
    """GRPO on prompts with rewards.

    data, or a mixture of sources: where prompts come from. rewards: of all of them.
    reference: the policy that the KL (beta) is to, in place of the one that the stage starts from: `stage:NAME`, or a
        model. Without rewards and with `kl_estimator: k3_unbiased` this is on-policy distillation: the student samples,
        and its gradient is that of the reverse KL to the teacher, token by token (arXiv 2306.13649, 2306.08543).
    """

    kind: Literal["rl"]
    data: Data | None = None
    mixture: dict[SourceName, PromptSource] = {}
    rewards: tuple[Reward, ...] = ()
    reference: str | None = None
    evaluate: Evaluate | None = None

    @property
    def sources(self) -> dict[str, PromptSource]:
        """Of prompts, by name; a stage without a mixture has one."""
        return self.mixture if self.data is None else {ALONE: PromptSource(data=self.data)}

    @property
    def all_rewards(self) -> tuple[Reward, ...]:
        """The stage's own and those of its sources, each once."""
        own = (reward for source in self.sources.values() for reward in source.rewards)
        return distinct((*self.rewards, *own))

    @model_validator(mode="after")
    def _fits_together(self) -> "RLStage":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"give either `steps` or `epochs`, {_both(self.steps)} (null drops an inherited one)")
        if self.stochastic_rounding and self.lora:
            raise ValueError("stochastic_rounding: adapters are fp32 and learn as they are, there is nothing to round")
        for mistake in (*mistakes(self), *self._reference_mistakes()):
            raise ValueError(mistake)
        return self

    def _reference_mistakes(self) -> Iterator[str]:
        if self.reference is None:
            return
        if self.beta == 0:
            yield "reference: without `beta` nothing is compared with it: give a beta > 0"
        if self.refresh_reference_every:
            yield "reference: it cannot be another policy and be refreshed by the stage's own: give one of the two"
        choosing = self.sampling_rounds > 1 or self.train_generations is not None or self.skip_flat is not None
        for name, source in self.sources.items():
            if choosing and not (self.rewards or source.rewards):
                whose = f"{source_key(name)}rewards"
                yield f"{whose}: sampling_rounds, train_generations and skip_flat choose by reward, and there is none"
