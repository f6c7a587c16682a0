"""Rows that one stage makes and another takes."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from grpo.recipe.fields import Data
from grpo.recipe.schema import Stage
from grpo.recipe.stage_base import stage_named


def with_rows(settings: Stage, rows: Mapping[str, str]) -> Stage:
    """The stage with the files of rows in place of `stage:NAME`, where they are made."""
    filled: Stage = _filled(settings, rows)
    return filled


def _filled(value: Any, rows: Mapping[str, str]) -> Any:
    if isinstance(value, Data):
        made = rows.get(stage_named(value.source) or "")
        return value if made is None else value.model_copy(update={"source": made})
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _filled(getattr(value, name), rows) for name in type(value).model_fields})
    if isinstance(value, dict):
        return {key: _filled(each, rows) for key, each in value.items()}
    return tuple(_filled(each, rows) for each in value) if isinstance(value, tuple | list) else value
