"""Whether completions that were sampled and judged before serve a `sample` stage whose settings have changed."""

import json
from collections.abc import Mapping
from typing import Any

from grpo.filters import rewards_of
from grpo.recipe.sampled_stages import SampleStage

OF_THE_ROWS = ("keep", "rewrite")
"""Settings that say what is kept of completions, and nothing about these."""


def same_samples(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """before, now: what the stage was and is made from (`grpo.pipeline.keys`). True where only what is kept of the
    completions changed, and every measure that a filter takes of them was taken."""
    if _without_rows(before) != _without_rows(now):
        return False
    return set(_measures(now)) <= set(_measures(before))


def _without_rows(what: Mapping[str, Any]) -> str:
    settings = {key: value for key, value in what["settings"].items() if key not in OF_THE_ROWS}
    return json.dumps({**what, "settings": settings}, sort_keys=True)


def _measures(what: Mapping[str, Any]) -> list[str]:
    filters = what["settings"].get("keep", [])  # a key leaves out what is not set
    keep = SampleStage.model_validate(
        {"kind": "sample", "data": {"source": "any"}, "rewards": ["math"], "keep": filters}
    ).keep
    return [reward.model_dump_json() for reward in rewards_of(keep)]
