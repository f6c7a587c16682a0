"""What a recipe is: a model, a run folder, and stages, each of which runs after those it needs.

    model: HuggingFaceTB/SmolLM2-135M-Instruct
    run_dir: runs/first
    stages:
      zero:
        kind: rl
        data: {source: openai/gsm8k, name: main, columns: {prompt: question, solution: answer}}
        rewards: [math, {use: format, weight: 0.2}]
        steps: 100

Parameter names keep TRL's where, and only where, the meaning is the same.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag, model_validator

from grpo.recipe.fields import (
    Checkpoints,
    Data,
    Evaluate,
    Mismatch,
    Model,
    Optimizer,
    Reward,
    Rollout,
    Sampling,
    Strict,
)
from grpo.recipe.graph import RESERVED, check
from grpo.recipe.mixture import ALONE, PromptSource, SourceName, distinct, mistakes
from grpo.recipe.sampled_stages import EvaluateStage, SampleStage
from grpo.recipe.schedule import Change
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


class RLSettings(Optimizer, Sampling):
    """One GRPO stage without its data and rewards; `GRPOConfig` is this with a run folder.

    One *step* is one rollout round of prompts_per_step × num_generations completions and its updates_per_step updates.
    tokens_per_microbatch bounds memory and never changes the result. layout: `auto` forwards a prompt once for all its
    completions where the architecture can be packed, `padded` forwards each completion with its own copy (the same
    gradient, slower).

    loss_type: `grpo` (mean over each completion's tokens, then over completions), `dr_grpo`, `dapo` (mean over all
        tokens of the update; `bnpo` is the same under global denominators), `cispo`, `reinforce`.
    epsilon / epsilon_high: clip of the importance ratio, at 1 - epsilon and 1 + epsilon_high (null: same as low). With
        `cispo`, as in TRL, epsilon_high is the largest ratio itself (null: 5.0). delta: bound on the ratio where the
        advantage is negative; beyond 1 + epsilon_high.
    beta: weight of the KL to the reference; kl_estimator `k3`, or `k3_unbiased` (k3 times the importance ratio).
    refresh_reference_every: updates after which the policy becomes the reference (null: never). changes: what is
        different from some update on (grpo/recipe/schedule.py).
    scale_rewards: divide centred rewards by the std of the `group`, the `batch`, or `none`.
    multi_objective_aggregation: `sum_then_normalize`, or `normalize_then_sum` (GDPO), which fixes baseline and scale.
    sampling_rounds: rounds of prompts_per_step prompts that a step may sample to fill itself with groups that have a
        signal (DAPO's dynamic sampling); those left over are not trained on. 1: none is refilled.
    train_generations: completions of a group that are trained on, the most varied in reward (PODS; null: all).
        What both do to the estimate: grpo/algorithm/selection.py.
    log_completions: how many the console shows at a time. keep_rollouts: completions of the last so many steps stay on
        the disk (null: of all).
    """

    num_generations: Annotated[int, Field(ge=2)] = 8
    prompts_per_step: PositiveInt = 8
    updates_per_step: PositiveInt = 1
    tokens_per_microbatch: PositiveInt = 8192
    layout: Literal["auto", "padded"] = "auto"
    steps: PositiveInt | None = None
    epochs: float | None = Field(default=None, gt=0)

    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "reinforce"] = "dapo"
    importance_sampling_level: Literal["token", "sequence"] = "token"
    epsilon: float = Field(default=0.2, gt=0)
    epsilon_high: float | None = Field(default=None, gt=0)
    delta: float | None = Field(default=None, gt=1)
    beta: float = Field(default=0.0, ge=0)
    kl_estimator: Literal["k3", "k3_unbiased"] = "k3"
    refresh_reference_every: PositiveInt | None = None
    changes: tuple[Change, ...] = ()
    mismatch: Mismatch = Mismatch()
    mask_truncated_completions: bool = False

    scale_rewards: Literal["group", "batch", "none"] = "group"
    baseline: Literal["mean", "leave_one_out"] = "mean"
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = "sum_then_normalize"
    max_unjudged: float = Field(default=0.5, gt=0, le=1)
    sampling_rounds: PositiveInt = 1
    train_generations: Annotated[int, Field(ge=2)] | None = None

    rollout: Rollout = Rollout()
    reward_workers: PositiveInt = 2
    log_completions: int = Field(default=2, ge=0)
    keep_rollouts: PositiveInt | None = None
    memory_probe: bool = True

    @property
    def longest_completion_length(self) -> int:
        """Tokens of the longest completion that the stage ever asks for."""
        changed = [change.max_completion_length or 0 for change in self.changes]
        return max(self.max_completion_length, *changed, 0)

    @property
    def trained_generations(self) -> int:
        """Completions of a group that are trained on."""
        return self.train_generations or self.num_generations

    @model_validator(mode="after")
    def _sane(self) -> "RLSettings":
        if self.temperature == 0:
            raise ValueError("temperature 0 gives identical completions: a group needs spread, use a temperature > 0")
        if self.train_generations is not None and self.train_generations > self.num_generations:
            raise ValueError(
                f"train_generations ({self.train_generations}) exceeds num_generations ({self.num_generations})"
            )
        if (self.prompts_per_step * self.trained_generations) % self.updates_per_step:
            trained = "num_generations" if self.train_generations is None else "train_generations"
            raise ValueError(f"prompts_per_step × {trained} must be a multiple of updates_per_step")
        if self.refresh_reference_every is not None and self.beta == 0:
            raise ValueError("refresh_reference_every: there is no reference where beta is 0")
        if not self.full_support and self.mismatch.mode != "off":
            raise ValueError(
                "top_p, top_k and min_p renormalise the engine's log-probs over the kept tokens, while the trainer's "
                "cover the whole vocabulary: the mismatch correction would be biased. Set mismatch.mode: off, or "
                "sample from the whole vocabulary (top_p: 1, top_k: 0, min_p: 0)"
            )
        return self

    @model_validator(mode="after")
    def _loss_has_a_meaning(self) -> "RLSettings":
        if self.loss_type == "cispo":
            if self.epsilon_high is not None and self.epsilon_high < 1:
                raise ValueError(
                    "cispo: epsilon_high is the largest importance ratio itself, not a distance from 1: "
                    f"{self.epsilon_high} would shrink every gradient, use a value such as 5.0"
                )
        elif self.delta is not None and self.delta <= 1 + (self.epsilon_high or self.epsilon):
            raise ValueError(f"delta ({self.delta}) must exceed 1 + epsilon_high, else it does the clip's work")
        if self.multi_objective_aggregation == "normalize_then_sum" and (
            self.baseline != "mean" or self.scale_rewards != "group"
        ):
            raise ValueError(
                "normalize_then_sum centres and scales each reward within its group and their sum over the batch: "
                "leave baseline at mean and scale_rewards at group"
            )
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


Stage = SFTStage | RLStage | SampleStage | EvaluateStage


class Recipe(Strict):
    """A run. seed: everything random is a function of it and of the place (stage, step, prompt, sample).

    trackers: names that accelerate knows (`tensorboard`, `wandb`, `trackio`); metrics.jsonl is always written.
    """

    model: Model
    run_dir: str
    seed: int = Field(default=0, ge=0)
    stages: Annotated[dict[str, Annotated[Stage, Field(discriminator="kind")]], Field(min_length=1)]
    trackers: tuple[str, ...] = ()
    project: str = "grpo"

    @model_validator(mode="after")
    def _stages_fit_together(self) -> "Recipe":
        for name in self.stages:
            if name in RESERVED or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
                taken = " or ".join(f"`{word}`" for word in RESERVED)
                raise ValueError(f"stages.{name}: a stage is named with letters, digits, `_` and `-`, and not {taken}")
        check(self.stages)
        return self
