"""Which kind each reward of a run is, and where it runs.

- `row`: ours, one completion at a time; in the worker pool, as each completion finishes;
- `group`: ours, the completions of one prompt together; in the pool, once a step, one call a group;
- `batch`: TRL's convention; in the pool, once a step.

What cannot travel to a worker (lambdas, closures, functions of the main script, async functions, modules, objects) runs
in this process, once a step: it has no `spec`.
"""

import importlib.machinery
import inspect
import logging
import pickle
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from grpo.errors import UserError
from grpo.recipe.fields import Reward
from grpo.records import Prompt
from rewards.errors import RewardError
from rewards.load import is_group_reward, is_row_reward, load_reward
from rewards.pool import RewardSpec

logger = logging.getLogger(__name__)
Kind = Literal["row", "group", "batch"]

OURS = {"reward_model": "grpo.scoring.reward_model:RewardModel"}
"""Rewards that ship with this package and not with `rewards`, which never imports torch."""


@runtime_checkable
class Loaded(Protocol):
    """A reward with a model behind it. `check` reads what is small, `load` the rest; both raise UserError."""

    def check(self) -> None: ...

    def load(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """One reward of the run. judge: the reward itself, in this process. spec: how a worker loads it, or None where it
    runs in this process. counts: whether it weighs in the advantage (weight 0 is for looking only). of: the sources of
    prompts whose rows it judges; None: all."""

    label: str
    kind: Kind
    judge: Callable[..., Any]
    spec: RewardSpec | None
    counts: bool = True
    of: frozenset[str] | None = None

    def judges(self, prompt: Prompt) -> bool:
        return self.of is None or prompt.source in self.of


def open_sources(
    rewards: Sequence[Reward],
    functions: Mapping[str, Callable[..., Any]],
    base: Path,
    where: str,
    judged: Mapping[str, Collection[str]],
) -> list[Source]:
    """The rewards of a stage in its order. A function given from Python stands for the entry with its label, whose
    `use` is then not looked up. judged: see `Scorer`. Raises UserError for one that cannot be loaded."""
    sources: list[Source] = []
    for index, reward in enumerate(rewards):
        if reward.label in functions:
            sources.append(_from_python(reward, functions[reward.label]))
        else:
            sources.append(_from_recipe(reward, base, f"{where}[{index}].use"))
    return [replace(each, of=frozenset(judged[each.label])) if each.label in judged else each for each in sources]


def _from_recipe(reward: Reward, base: Path, where: str) -> Source:
    try:
        judge = load_reward(OURS.get(reward.use, reward.use), reward.params, base)
    except RewardError as error:
        raise UserError(str(error), where=where) from error
    kind = _kind(judge)
    reason = _why_it_stays(judge, importable=True) if kind == "batch" else None
    return _source(reward, judge, kind, RewardSpec(reward.use, reward.params, base, reward.seconds), reason)


def _from_python(reward: Reward, function: Callable[..., Any]) -> Source:
    if not callable(function):
        raise UserError(f"reward {reward.label} is a {type(function).__name__}, which is not callable")
    kind = _kind(function)
    reason = _why_it_stays(function, importable=False) if kind == "batch" else _why_no_worker_makes_it(function)
    spec = RewardSpec(reward.label, {}, Path("."), reward.seconds, pickle.dumps(function)) if reason is None else None
    return _source(reward, function, kind, spec, reason)


def _kind(judge: Callable[..., Any]) -> Kind:
    return "row" if is_row_reward(judge) else "group" if is_group_reward(judge) else "batch"


def _source(
    reward: Reward, judge: Callable[..., Any], kind: Kind, spec: RewardSpec | None, reason: str | None
) -> Source:
    """reason: why it stays in this process, which is said; there a row reward is called once a step, as a batch."""
    if reason is not None:
        logger.warning("reward %s runs in this process, without a deadline: %s", reward.label, reason)
        kind, spec = "group" if kind == "group" else "batch", None
    return Source(reward.label, kind, judge, spec, reward.weight != 0)


def _why_no_worker_makes_it(reward: Callable[..., Any]) -> str | None:
    """Why a row or group reward cannot be sent to a worker, or None."""
    if not _importable_elsewhere(type(reward)):
        return f"a worker cannot import {type(reward).__qualname__} from {type(reward).__module__}"
    try:
        pickle.dumps(reward)
    except (pickle.PicklingError, TypeError, AttributeError) as error:  # what pickle raises for what it cannot take
        return f"it cannot be pickled: {error}"
    return None


def _why_it_stays(function: Callable[..., Any], importable: bool) -> str | None:
    """Why a worker cannot run this callable, or None. `importable`: it was loaded by a name that workers load too."""
    if inspect.iscoroutinefunction(inspect.unwrap(getattr(function, "func", function))):
        return "it is async"
    if isinstance(stays := getattr(function, "stays", None), str):
        return stays
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(function, torch.nn.Module):
        return "it is a module with weights"
    if importable:
        return None
    if not inspect.isfunction(function):
        return f"it is an object of type {type(function).__name__}"
    if "<" in function.__qualname__ or "." in function.__qualname__:
        return "it is a lambda, a closure or a method"
    if not _importable_elsewhere(function):
        return f"a worker cannot import it from {function.__module__}"
    return None


def _importable_elsewhere(thing: Callable[..., Any]) -> bool:
    """Whether a fresh process with our path finds this very file under the name of the function's or class's module."""
    module = sys.modules.get(thing.__module__)
    if module is None or thing.__module__ == "__main__" or getattr(module, thing.__name__, None) is not thing:
        return False
    locations: Sequence[str] | None = [entry for entry in sys.path if entry]
    found = None
    names = thing.__module__.split(".")
    for depth in range(1, len(names) + 1):
        found = importlib.machinery.PathFinder.find_spec(".".join(names[:depth]), locations)
        if found is None:
            return False
        locations = found.submodule_search_locations
    origin, file = found.origin if found else None, getattr(module, "__file__", None)
    return bool(origin and file and Path(origin).resolve() == Path(file).resolve())
