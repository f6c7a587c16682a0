"""Which class of the schema is responsible for a key path of a recipe that may not be valid yet."""

import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from grpo.recipe.sampled_stages import EvaluateStage, ExportStage, SampleStage
from grpo.recipe.schema import Recipe
from grpo.recipe.trained_stages import RLStage, SFTStage
from grpo.recipe.yaml_text import KeyPath

STAGE_KINDS: dict[str, type[BaseModel]] = {
    "sft": SFTStage, "rl": RLStage, "sample": SampleStage, "evaluate": EvaluateStage,
    "export": ExportStage,
}  # fmt: skip


def model_at(path: KeyPath, root: Any) -> type[BaseModel] | None:
    """The class for the mapping at `path`; None where the schema leaves that mapping open, or does not know it."""
    annotation, value = _annotation_at(path, root)
    return _model_of(annotation, value)


def expects_number(path: KeyPath, root: Any) -> bool:
    """True where the schema has a number, and no truth value, at `path`."""
    annotation, _ = _annotation_at(path, root)
    kinds = set(_alternatives(annotation))
    return bool(kinds & {int, float}) and bool not in kinds


def inner_keys(model: type[BaseModel]) -> dict[str, str]:
    """The keys one mapping further in: name → dotted path, such as `engine` → `rollout.engine`."""
    return {
        name: f"{outer}.{name}"
        for outer, info in model.model_fields.items()
        for inner in _models(info.annotation)
        for name in inner.model_fields
    }


def _annotation_at(path: KeyPath, root: Any) -> tuple[Any, Any]:
    annotation: Any = Recipe
    value = root
    for part in path:
        annotation = _step(annotation, part, value)
        if isinstance(value, dict):
            value = value.get(str(part))
        else:
            value = value[part] if isinstance(value, list) and isinstance(part, int) else None
    return annotation, value


def _step(annotation: Any, part: str | int, value: Any) -> Any:
    model = None if isinstance(value, list) else _model_of(annotation, value)
    if model is not None:
        info = model.model_fields.get(str(part))
        return info.annotation if info else None
    for option in _alternatives(annotation):
        if get_origin(option) is dict:
            return get_args(option)[1]
        if get_origin(option) is tuple:
            return get_args(option)[0]
    return None


def _model_of(annotation: Any, value: Any) -> type[BaseModel] | None:
    """Of several, the one that the value's `kind` (stages) or `use` (filters) tells."""
    models = _models(annotation)
    if len(models) < 2:
        return models[0] if models else None
    told = value if isinstance(value, dict) else {}
    if isinstance(told.get("kind"), str):
        return STAGE_KINDS.get(told["kind"])
    return next((model for model in models if "use" in told and _use_of(model) == told["use"]), None)


def _use_of(model: type[BaseModel]) -> Any:
    return model.model_fields["use"].default if "use" in model.model_fields else None


def _models(annotation: Any) -> list[type[BaseModel]]:
    options = _alternatives(annotation)
    return [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, without `Annotated` around any of them."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for option in get_args(annotation) for inner in _alternatives(option))
    return (annotation,)
