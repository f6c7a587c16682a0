"""Models that a stage holds beside its policy: another policy as its reference, and reward models."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grpo.recipe.fields import Model, Reward
from grpo.recipe.graph import model_of
from grpo.recipe.schema import Recipe
from grpo.recipe.shape import model_shape
from grpo.recipe.stage_base import stage_named
from grpo.recipe.trained_stages import RLStage

REFERENCE = "reference"


def other_models(recipe: Recipe, name: str, base: Path) -> dict[str, int | None]:
    """Parameters by what each is for; None where its configuration is not on this machine. A reference that the stage
    starts from, or that is its own earlier policy, is as large as the policy and not among them."""
    return {
        what: shape.parameters if (shape := model_shape(model, base)) else None for what, model in _models(recipe, name)
    }


def _models(recipe: Recipe, name: str) -> Iterator[tuple[str, Model]]:
    stage = recipe.stages[name]
    if isinstance(stage, RLStage) and stage.reference is not None:
        teacher, own = stage_named(stage.reference), model_of(recipe.stages, name, recipe.model)
        if teacher is not None:
            yield REFERENCE, model_of(recipe.stages, teacher, recipe.model)
        else:
            yield REFERENCE, own.model_copy(update={"path": stage.reference, "revision": None, "tiny": None})
    for reward in _rewards(stage):
        if reward.use == "reward_model" and isinstance(path := reward.params.get("path"), str):
            yield f"reward model {path}", Model(path=path, revision=reward.params.get("revision"))


def _rewards(value: Any) -> Iterator[Reward]:
    """Every reward within a stage, wherever it stands."""
    if isinstance(value, Reward):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _rewards(each)
    elif isinstance(value, tuple):
        for each in value:
            yield from _rewards(each)
    elif hasattr(type(value), "model_fields"):
        for field in type(value).model_fields:
            yield from _rewards(getattr(value, field))
