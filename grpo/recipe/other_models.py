"""Models that a stage holds beside its policy: another policy as its reference, and reward models."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grpo.recipe.fields import Model, Reward
from grpo.recipe.graph import each_of, model_of
from grpo.recipe.schema import Recipe
from grpo.recipe.shape import model_shape
from grpo.recipe.stage_base import stage_named
from grpo.recipe.trained_stages import RLStage

REFERENCE = "reference"


@dataclass(frozen=True)
class OtherModel:
    """width: bytes a parameter."""

    parameters: int
    width: int


def other_models(recipe: Recipe, name: str, base: Path) -> dict[str, OtherModel | None]:
    """By what each is for; None where its configuration is not on this machine. A reference that the stage starts
    from, or that is its own earlier policy, is as large as the policy and not among them."""
    found: dict[str, OtherModel | None] = {}
    for what, model in _models(recipe, name):
        shape = model_shape(model, base)
        found[what] = OtherModel(shape.parameters, width(model.dtype)) if shape else None
    return found


def width(dtype: str) -> int:
    """Bytes of a number of this type."""
    return 4 if dtype == "float32" else 2


def reference_model(recipe: Recipe, name: str) -> Model | None:
    """The reference that stage `name` names, in the precision of its own model; None where it names none."""
    stage = recipe.stages[name]
    if not isinstance(stage, RLStage) or stage.reference is None:
        return None
    teacher, own = stage_named(stage.reference), model_of(recipe.stages, name, recipe.model)
    if teacher is not None:
        return model_of(recipe.stages, teacher, recipe.model).model_copy(update={"dtype": own.dtype})
    return own.model_copy(update={"path": stage.reference, "revision": None, "tiny": None})


def _models(recipe: Recipe, name: str) -> Iterator[tuple[str, Model]]:
    reference = reference_model(recipe, name)
    if reference is not None:
        yield REFERENCE, reference
    for reward in each_of(Reward, recipe.stages[name]):
        if reward.use == "reward_model" and isinstance(path := reward.params.get("path"), str):
            settings = {key: reward.params[key] for key in ("revision", "dtype") if key in reward.params}
            yield f"reward model {path}", Model.model_construct(path=path, **settings)
