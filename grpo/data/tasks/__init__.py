"""Procedural tasks, `source: task:NAME`: rows made on the spot, seeded, with the reference known by construction.

A task is one function of (seed, split, its options) to rows. Row i never depends on `count`, so a longer data set
begins with the shorter one. Whether a problem is for training or held out is decided by a hash of the problem alone:
`split: train` and `split: test` share no problem, whatever their seeds.
"""

import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from inspect import signature
from typing import Any

from grpo.data.tasks.arithmetic import arithmetic
from grpo.data.tasks.comparison import comparison
from grpo.data.tasks.countdown import countdown
from grpo.errors import UserError

TASKS: Mapping[str, Callable[..., list[dict[str, Any]]]] = {
    "arithmetic": arithmetic,
    "countdown": countdown,
    "comparison": comparison,
}


def make_rows(source: str, options: Mapping[str, Any], *, split: str, seed: int, where: str) -> list[dict[str, Any]]:
    """Rows of `task:NAME`. `seed` is the recipe's; an option `seed` takes its place. `UserError` for a wrong option."""
    name = source.removeprefix("task:")
    if name not in TASKS:
        near = get_close_matches(name, TASKS, n=1)
        advice = f"Known tasks: {', '.join(TASKS)}." + (f" Did you mean task:{near[0]}?" if near else "")
        raise UserError(f"there is no task {name!r}", where=f"{where}.source", advice=advice)
    known = [option for option in signature(TASKS[name]).parameters if option != "split"]
    for option in options:
        if option == "split":
            raise UserError("the split is `split` of the data, not an option", where=f"{where}.options.split")
        if option not in known:
            near = get_close_matches(option, known, n=1)
            advice = f"Its options: {', '.join(known)}." + (f" Did you mean {near[0]!r}?" if near else "")
            raise UserError(f"{source} has no option {option!r}", where=f"{where}.options.{option}", advice=advice)
    if split not in ("train", "test"):
        raise UserError(f"{source} has the splits train and test, not {split!r}", where=f"{where}.split")
    try:
        rows = _made(name, json.dumps({"seed": seed, **options}, sort_keys=True), split)
    except (TypeError, ValueError) as error:
        raise UserError(f"{source}: {error}", where=f"{where}.options") from error
    return [dict(row) for row in rows]


@lru_cache(maxsize=8)
def _made(name: str, options: str, split: str) -> list[dict[str, Any]]:
    """A run reads the same rows several times, for its checks and for its stages; large sets take seconds to draw."""
    return TASKS[name](**json.loads(options), split=split)
