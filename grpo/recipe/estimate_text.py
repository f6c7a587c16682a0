"""The estimates of a recipe's stages as plain text, stated as such."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from grpo.recipe.estimate import memory, seconds
from grpo.recipe.fields import Model
from grpo.recipe.graph import model_of
from grpo.recipe.machine import this_machine
from grpo.recipe.other_models import other_models
from grpo.recipe.plan import DataSizes, engine_choice
from grpo.recipe.sampled_stages import Sampled
from grpo.recipe.schema import Recipe, Stage
from grpo.recipe.shape import model_shape
from grpo.recipe.trained_stages import RLStage

GIB = 2**30


def format_estimates(recipe: Recipe, base: Path, sizes: Mapping[str, DataSizes] | None = None) -> str:
    """Estimates for every stage as plain text, stated as such."""
    models = {name: model_of(recipe.stages, name, recipe.model) for name in recipe.stages}
    lines: list[str] = []
    for model in dict.fromkeys(models.values()):
        names = [name for name in recipe.stages if models[name] == model]
        lines += _lines(recipe, model, names, base, sizes or {})
    return "\n".join(lines)


def _lines(
    recipe: Recipe, model: Model, names: Sequence[str], base: Path, sizes: Mapping[str, DataSizes]
) -> Iterator[str]:
    """Of the stages `names`, which are of one model."""
    shape, machine = model_shape(model, base), this_machine(model.dtype)
    if shape is None:
        of = f" of {', '.join(names)}" if len(names) < len(recipe.stages) else ""
        yield f"estimates{of}: unknown (the model's config.json is not on this machine, or not understood)"
        return
    parameters = f"{shape.parameters / 1e6:,.1f} million parameters"
    yield f"estimates (not measurements), {parameters}, one process on {machine.name}:"
    for name in names:
        stage, known, others = recipe.stages[name], sizes.get(name), other_models(recipe, name, base)
        card = _share_of_card(stage) if machine.is_accelerator else None
        parts = memory(recipe, name, shape, known.longest_prompt if known else None, others, card is not None)
        if parts:
            listed = ", ".join(f"{what} {size(amount)}" for what, amount in parts.items())
            yield f"  {name}: memory about {size(sum(parts.values()))} ({listed})"
        if card is not None:
            yield f"  {name}: the engine takes {card:.0%} of the card's memory (rollout.gpu_memory_utilization)"
        if unknown := [what for what, other in others.items() if other is None]:
            yield f"  {name}: not counted, its config.json is not on this machine: {', '.join(unknown)}"
        spent = seconds(recipe, name, shape, known, machine.speeds, others) if machine.speeds else None
        yield f"  {name}: time {f'at most about {duration(spent)}' if spent is not None else 'unknown'}"
    if machine.advice:
        yield f"  note: {machine.advice}"


def _share_of_card(stage: Stage) -> float | None:
    """What vLLM takes of a GPU's memory; None where the stage has no such engine."""
    if isinstance(stage, RLStage | Sampled) and engine_choice(stage.rollout)[0] == "vllm":
        return stage.rollout.gpu_memory_utilization
    return None


def size(amount: float) -> str:
    """Bytes for people, such as `1.5 GiB`."""
    return f"{amount / GIB:.1f} GiB" if amount >= GIB else f"{amount / 2**20:.0f} MiB"


def duration(spent: float) -> str:
    """Seconds for people, in the largest unit that fits."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if spent >= 2 * length:
            return f"{spent / length:.0f} {unit}"
    return f"{spent:.0f} seconds"
