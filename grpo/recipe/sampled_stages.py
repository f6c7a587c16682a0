"""The kinds of stage that take a policy and train nothing: `sample` makes rows, `evaluate` figures, `export` a copy."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from grpo.recipe.fields import Data, Reward, Rollout, Sampling
from grpo.recipe.filters import Filter
from grpo.recipe.stage_base import StageBase

BenchmarkName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]  # it names files


class Sampled(StageBase):
    """rollout: the engine. reward_workers: processes that judge. max_unjudged: share of a round's completions that
    rewards may fail to judge."""

    rollout: Rollout = Rollout()
    reward_workers: PositiveInt = 2
    max_unjudged: float = Field(default=0.5, gt=0, le=1)


class SampleStage(Sampled, Sampling):
    """Rejection sampling: `num_generations` completions of every prompt, judged, and those that pass every filter kept
    as rows `prompt`, `completion`, `solution` and where they come from.

    prompts_per_round: prompts sampled between two writes: what a kill costs at most.
    keep: filters, applied in this order (grpo/filters).
    rewrite: Jinja text that the kept completion becomes, e.g. `<think>{{ thought }}</think>{{ reply }}`. It sees
        `prompt`, `completion`, its two parts `thought` and `reply` (before and after `</think>`), and the row's other
        columns. null: as sampled.
    """

    kind: Literal["sample"]
    data: Data
    rewards: Annotated[tuple[Reward, ...], Field(min_length=1)]
    num_generations: PositiveInt = 8
    prompts_per_round: PositiveInt = 32
    keep: tuple[Filter, ...] = ()
    rewrite: str | None = None


class Benchmark(Sampling):
    """Held-out prompts and how they are sampled and judged.

    num_generations: samples a prompt. rewards: a score ≥ 1 counts as correct; the first names the figures without a
    label. greedy: also decode each prompt once at temperature 0.
    """

    data: Data
    rewards: Annotated[tuple[Reward, ...], Field(min_length=1)]
    num_generations: PositiveInt = 4
    greedy: bool = False

    @property
    def samples(self) -> int:
        """Completions a prompt, without the greedy one: at temperature 0 they would all be the same."""
        return self.num_generations if self.temperature > 0 else 1

    @property
    def also_greedy(self) -> bool:
        return self.greedy and self.temperature > 0


class EvaluateStage(Sampled):
    """Figures of a policy on benchmarks, under `BENCHMARK.FIGURE`: `pass@1`, `pass@1_low` and `pass@1_high` (its 95 %
    interval), `pass@k`, `maj@k` where the reward reads a final answer, `greedy/pass@1`, `completions/mean_length`; of
    further rewards under `BENCHMARK.LABEL/FIGURE`."""

    kind: Literal["evaluate"]
    benchmarks: Annotated[dict[BenchmarkName, Benchmark], Field(min_length=1)]


class ExportStage(StageBase):
    """The policy in the precision asked for, with tokenizer, card and lineage."""

    kind: Literal["export"]
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
