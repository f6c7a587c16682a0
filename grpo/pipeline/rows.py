"""Rows that one stage makes and another takes."""

from collections.abc import Mapping
from typing import Any

from grpo.recipe.schema import Stage
from grpo.recipe.stage_base import STAGE_ROWS


def with_rows(settings: Stage, rows: Mapping[str, str]) -> Stage:
    """The stage with the files of rows in place of `stage:NAME`, where they are made."""

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _file(each, rows) if key == "source" else filled(each) for key, each in value.items()}
        return [filled(each) for each in value] if isinstance(value, list | tuple) else value

    return type(settings).model_validate(filled(settings.model_dump()))


def _file(source: Any, rows: Mapping[str, str]) -> Any:
    if not isinstance(source, str) or not source.startswith(STAGE_ROWS):
        return source
    return rows.get(source.removeprefix(STAGE_ROWS), source)
