"""A Python callable as a source of rows: `package.module:function`, or `file.py:function`.

A file is loaded under a name of its own, made from its full path, so that a user's `rewards.py` or `random.py` never
takes the place of a module of the same name.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from grpo.errors import UserError
from rewards.errors import RewardError


def load_callable(target: str, *, base: Path, where: str) -> Callable[..., Iterable[Any]]:
    """The function that `target` names. `UserError` where the module, file or name does not exist.

    An exception that the user's module raises while it is imported is theirs and comes through unchanged.
    """
    place, _, name = target.rpartition(":")
    module = _load_file(base / Path(place).expanduser(), where) if place.endswith(".py") else _load_module(place, where)
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = ", ".join(n for n, v in vars(module).items() if callable(v) and not n.startswith("_")) or "none"
            raise UserError(f"{place} has no {name!r}", where=where, advice=f"Callables there: {public}.")
        found = getattr(found, part)
    if not callable(found):
        raise UserError(f"{target} is a {type(found).__name__}, expected a function that returns rows", where=where)
    return found


def call_for_rows(
    function: Callable[..., Iterable[Any]], given: Mapping[str, Any], *, where: str, **offered: Any
) -> Any:
    """function(**given), plus those of `offered` (split, seed) that its signature names. Checks the names first."""
    signature = inspect.signature(function)
    extra = {name: value for name, value in offered.items() if name in signature.parameters and name not in given}
    try:
        signature.bind(**given, **extra)
    except TypeError as error:
        raise UserError(
            str(error), where=f"{where}.options", advice=f"The function is called as {function.__name__}{signature}."
        ) from error
    try:
        return function(**given, **extra)
    except RewardError as error:  # of rewards.reasoning_gym:rows: a mistake in the recipe
        raise UserError(str(error), where=f"{where}.options") from error


def _load_file(path: Path, where: str) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise UserError(f"there is no file {path}", where=where, advice="Paths are relative to the recipe's folder.")
    name = f"grpo_data_{path.stem}_{blake2b(str(path).encode(), digest_size=6).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # a .py suffix always has the source loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before execution: dataclasses and pickle look the module up by name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load_module(name: str, where: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # something that the user's module imports is missing: its own traceback says it best
        raise UserError(
            f"there is no module {name!r}",
            where=where,
            advice="Give an importable module (package.module:function) or a file (folder/file.py:function).",
        ) from error
