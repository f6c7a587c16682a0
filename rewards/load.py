"""Rewards by name: a shipped one (`math`), an import path (`package.module:function`) or a file (`file.py:function`).

What is found may be
- a `RowReward` class or any class: made with the parameters;
- a function that takes `completions` (or any keyword): a reward in TRL's convention, parameters bound to it;
- any other function: a factory, called with the parameters, that returns the reward (as TRL's
  `get_soft_overlong_punishment` does).

A class or factory that names `base_folder` is given the folder that files are relative to: for a reward that judges by
another one (`length`, where being right matters).
"""

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from rewards.errors import RewardError
from rewards.protocol import GroupReward, Judging, RowReward

SHIPPED: dict[str, str] = {
    "choice": "rewards.choice:ChoiceReward",
    "code": "rewards.code:CodeReward",
    "countdown": "rewards.countdown:CountdownReward",
    "format": "rewards.format:FormatReward",
    "language": "rewards.language:LanguageReward",
    "length": "rewards.length:length",
    "math": "rewards.math:MathReward",
    "reasoning_gym": "rewards.reasoning_gym:ReasoningGymReward",
    "repetition": "rewards.repetition:RepetitionReward",
}


def is_row_reward(obj: object) -> bool:
    """True where the reward judges one completion alone (and so as soon as it is finished)."""
    return isinstance(obj, RowReward)


def is_group_reward(obj: object) -> bool:
    """True where the reward judges the completions of one prompt together."""
    return isinstance(obj, GroupReward)


def load_reward(use: str, params: Mapping[str, Any], base: Path) -> Judging | Callable[..., Any]:
    """The reward that `use` names. Files are relative to `base`. Raises RewardError, with what to do."""
    found = _find(use, base)
    if isinstance(found, Judging):
        if params:
            raise RewardError(f"{use} is a ready-made reward and takes no parameters, got {dict(params)}")
        return found
    if not callable(found):
        raise RewardError(f"{use} is a {type(found).__name__}: a reward is a class or a function")
    is_reward = not inspect.isclass(found) and takes_completions(found)
    signature = inspect.signature(found)
    if "base_folder" in signature.parameters and not is_reward:
        params = {"base_folder": base, **params}
    try:
        signature.bind_partial(**params) if is_reward else signature.bind(**params)
    except TypeError as error:
        raise RewardError(f"{use}: the parameters {dict(params)} do not fit {signature}: {error}") from error
    if is_reward:
        return functools.partial(found, **params) if params else found
    made = found(**params)
    if not callable(made):
        raise RewardError(f"{use} gives a {type(made).__name__}, which is not a reward (not callable)")
    return made


def takes_completions(function: Callable[..., Any]) -> bool:
    """Whether a callable can be called as a reward: it names `completions` or takes any keyword."""
    parameters = inspect.signature(function).parameters
    return "completions" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _find(use: str, base: Path) -> Any:
    use = SHIPPED.get(use, use)
    place, colon, attribute = use.rpartition(":")
    if not colon:
        near = get_close_matches(use, SHIPPED, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"shipped ones are {', '.join(sorted(SHIPPED))};"
        raise RewardError(f"no reward {use!r}: {hint} your own is given as file.py:function or package.module:function")
    module = _file_module(base / Path(place).expanduser(), use) if place.endswith(".py") else _module(place, base, use)
    if not hasattr(module, attribute):
        public = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        near = get_close_matches(attribute, public, n=1) or public[:5]
        raise RewardError(f"{use}: nothing named {attribute!r} in {place}; it has {', '.join(near) or 'no functions'}")
    return getattr(module, attribute)


def _module(name: str, base: Path, use: str) -> ModuleType:
    top = name.partition(".")[0]
    if name == "rewards" and (base / "rewards.py").exists():
        raise RewardError(f"{use}: `rewards` is this library's own package; for your file write rewards.py:function")
    with _importable(base):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in (name, top):
                raise
            raise RewardError(f"{use}: no module {error.name!r} on the path or in {base}") from error


def _file_module(path: Path, use: str) -> ModuleType:
    """A file as a module under a name of its own, so that a file called rewards.py shadows nothing."""
    path = path.resolve()
    if not path.is_file():
        raise RewardError(f"{use}: no file {path}")
    name = f"_reward_file_{path.stem}_{sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _importable(path.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Modules of a folder can be imported within, after everything else on the path."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
