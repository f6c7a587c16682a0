"""The arithmetic of a recipe, before anything is loaded.

    16 prompts × 8 completions = 128 completions a step, in 4 updates of 32 completions (4 groups)

What depends on the data (steps of a number of epochs) is known once it has been read, and is None before. Nothing here
is an estimate: those are in `grpo.recipe.estimate`.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil

from grpo.recipe.fields import Rollout
from grpo.recipe.graph import policy_of
from grpo.recipe.sampled_stages import EvaluateStage, ExportStage, Sampled, SampleStage
from grpo.recipe.schema import Recipe
from grpo.recipe.trained_stages import RLStage, SFTStage


@dataclass(frozen=True)
class DataSizes:
    """What reading a stage's data found. rows: usable rows (prompts). held_out: prompts of the evaluation.
    longest_prompt: in tokens. completions: of all benchmarks of an `evaluate` stage."""

    rows: int
    held_out: int | None = None
    longest_prompt: int | None = None
    completions: int | None = None


@dataclass(frozen=True)
class RLPlan:
    """One `rl` stage. What waits for the data is None."""

    starts_from: str
    completions_per_step: int
    completions_per_update: int
    groups_per_update: float
    steps: int | None
    updates: int | None
    completions: int | None
    steps_per_epoch: int | None
    evaluations: int | None


@dataclass(frozen=True)
class SFTPlan:
    """One `sft` stage. What waits for the data is None."""

    starts_from: str
    updates: int | None
    sequences: int | None


@dataclass(frozen=True)
class SampledPlan:
    """One `sample` or `evaluate` stage. completions: in all; None while it waits for the data."""

    starts_from: str
    completions: int | None


@dataclass(frozen=True)
class ExportPlan:
    """One `export` stage."""

    starts_from: str


Plan = RLPlan | SFTPlan | SampledPlan | ExportPlan


def plan_stage(recipe: Recipe, name: str, sizes: DataSizes | None = None) -> Plan:
    """The plan of one stage; `sizes` where its data has been read."""
    stage, rows = recipe.stages[name], sizes.rows if sizes else None
    if isinstance(stage, SampleStage):
        return SampledPlan(policy_of(recipe.stages, name), None if rows is None else rows * stage.num_generations)
    if isinstance(stage, EvaluateStage):
        return SampledPlan(policy_of(recipe.stages, name), sizes.completions if sizes else None)
    if isinstance(stage, ExportStage):
        return ExportPlan(policy_of(recipe.stages, name))
    if isinstance(stage, SFTStage):
        updates = updates_of(stage, rows)
        return SFTPlan(policy_of(recipe.stages, name), updates, None if updates is None else updates * stage.batch_size)
    per_step = stage.prompts_per_step * stage.num_generations
    steps = steps_of(stage, rows)
    return RLPlan(
        starts_from=policy_of(recipe.stages, name),
        completions_per_step=per_step,
        completions_per_update=stage.prompts_per_step * stage.trained_generations // stage.updates_per_step,
        groups_per_update=stage.prompts_per_step / stage.updates_per_step,
        steps=steps,
        updates=None if steps is None else steps * stage.updates_per_step,
        completions=None if steps is None else steps * per_step,
        steps_per_epoch=None if rows is None else ceil(rows / stage.prompts_per_step),
        evaluations=evaluation_count(stage.evaluate.every, steps) if stage.evaluate and steps else None,
    )


def steps_of(stage: RLStage, prompts: int | None) -> int | None:
    """Steps of an `rl` stage: as given, or as many as take `epochs` times the prompts; None where these are unknown."""
    if stage.steps is not None:
        return stage.steps
    return None if prompts is None else max(1, ceil((stage.epochs or 0) * prompts / stage.prompts_per_step))


def updates_of(stage: SFTStage, rows: int | None) -> int | None:
    """Updates of an `sft` stage, without packing."""
    if stage.steps is not None:
        return stage.steps
    return None if rows is None else ceil((stage.epochs or 0) * ceil(rows / stage.batch_size))


def evaluation_count(every: int, steps: int) -> int:
    """Before the first step, every `every` steps, and after the last."""
    return 1 + ceil(steps / every)


def engine_choice(rollout: Rollout) -> tuple[str, str]:
    """The engine that will sample, and why it is this one."""
    if rollout.engine != "auto":
        return rollout.engine, "as the recipe says"
    if find_spec("vllm"):
        return "vllm", "auto: vLLM is installed"
    return "transformers", "auto: vLLM is not installed"


def longest_completion(stage: RLStage | Sampled) -> int:
    """Tokens of the longest completion that the stage may sample, for its evaluation too."""
    match stage:
        case RLStage():
            evaluated = stage.evaluate.max_completion_length if stage.evaluate else None
            return max(stage.longest_completion_length, evaluated or 0)
        case SampleStage():
            return stage.max_completion_length
        case EvaluateStage():
            return max(benchmark.max_completion_length for benchmark in stage.benchmarks.values())
        case _:
            raise TypeError(type(stage).__name__)
