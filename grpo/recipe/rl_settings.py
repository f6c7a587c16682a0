"""How an `rl` stage samples, scores and updates, without its data and rewards.

Parameter names keep TRL's where, and only where, the meaning is the same.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from grpo.recipe.fields import Mismatch, Optimizer, Rollout, Sampling, Strict
from grpo.recipe.schedule import Change


class SkipFlat(Strict):
    """Prompts whose last z groups had no signal are skipped with probability 1 - p^z (grpo/algorithm/history.py).

    explore: p at the start. target: share of a round's groups without signal that p is steered to, by `step` a round.
    """

    explore: float = Field(default=0.5, gt=0, le=1)
    target: float = Field(default=0.25, gt=0, lt=1)
    step: float = Field(default=0.01, ge=0, lt=1)


class RLSettings(Optimizer, Sampling):
    """One GRPO stage without its data and rewards; `GRPOConfig` is this with a run folder.

    One *step* is one rollout round of prompts_per_step × num_generations completions and its updates_per_step updates.
    tokens_per_microbatch bounds memory and never changes the result. layout: `auto` forwards a prompt once for all its
    completions where the architecture can be packed, `padded` forwards each completion with its own copy (the same
    gradient, slower).

    optim: AdamW's two moments, by transformers' name: `adamw_torch_fused` (null) keeps them in fp32, 8 bytes a trained
        parameter; `adamw_torch_8bit` quantises them in blocks of 256, 2 bytes (torchao; the extra `torchao`). With fp32
        masters and gradients that is 10 bytes a parameter instead of 16, beside the policy's own weights in bf16.
    stochastic_rounding: the policy's bf16 weights learn themselves, each update rounded up or down at random so that
        its mean stays, and there are no fp32 masters: 4 bytes a parameter less (torchao). Not with LoRA or a policy in
        float32, where there are no masters to save.
    torch_compile: the decoder's layers compiled, each kind once (the same gradient to rounding; the first micro-batch
        waits for the compiler).

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
    skip_flat: prompts whose groups had no signal the last times are skipped for a while (null: none).
    log_completions: how many the console shows at a time. keep_rollouts: completions of the last so many steps stay on
        the disk (null: of all).
    """

    num_generations: Annotated[int, Field(ge=2)] = 8
    prompts_per_step: PositiveInt = 8
    updates_per_step: PositiveInt = 1
    tokens_per_microbatch: PositiveInt = 8192
    layout: Literal["auto", "padded"] = "auto"
    optim: Literal["adamw_torch_fused", "adamw_torch_8bit"] | None = None
    stochastic_rounding: bool | None = None
    torch_compile: bool = False
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
    skip_flat: SkipFlat | None = None

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
