"""Rows that one stage makes and another takes."""

from collections.abc import Mapping
from typing import Any

from grpo.recipe.schema import Stage
from grpo.recipe.stage_base import stage_named


def with_rows(settings: Stage, rows: Mapping[str, str]) -> Stage:
    """The stage with the files of rows in place of `stage:NAME`, where they are made."""

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _file(each, rows) if key == "source" else filled(each) for key, each in value.items()}
        return [filled(each) for each in value] if isinstance(value, list | tuple) else value

    return type(settings).model_validate(filled(settings.model_dump()))


def _file(source: Any, rows: Mapping[str, str]) -> Any:
    stage = stage_named(source) if isinstance(source, str) else None
    return source if stage is None else rows.get(stage, source)
