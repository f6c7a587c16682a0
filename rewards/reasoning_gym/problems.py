"""The package's generators: problems as rows, and the tasks whose scorers are never called."""

import functools
import importlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from hashlib import sha256
from typing import Any

from rewards.errors import RewardError

TRIED = "0.1.25"  # the version whose 106 tasks were read and tried for the list below
CHUNK = 500  # problems of one seed of the package
HELD_OUT = 5  # every fifth problem, by a hash of its question, is for `split: test`

_EVAL = "its scorer calls eval() on the answer"
_PARSE = "its scorer calls sympy's parse_expr, which is eval, on the answer"
_OWN = "its scorer calls eval() on the problem"
_CHANGING = "its generator makes another problem in each process (it depends on the order of Python's sets)"
REFUSED: Mapping[str, str] = {
    "binary_matrix": _EVAL,
    "n_queens": _EVAL,
    "spiral_matrix": _EVAL,
    "string_insertion": _EVAL,
    "countdown": f"{_PARSE}; use the reward `countdown` and the data `task:countdown`",
    "intermediate_integration": _PARSE,
    "polynomial_multiplication": _PARSE,
    "puzzle24": f"{_PARSE}; use the reward `countdown`",
    "simple_integration": _PARSE,
    "bitwise_arithmetic": _OWN,
    "number_sorting": _OWN,
    "codeio": "its generator runs code that makes another problem each time",
    "isomorphic_strings": _CHANGING,
    "list_functions": _CHANGING,
    "ransom_note": _CHANGING,
    "game_of_life_halting": "its scorer takes any text for True",
    "composite": "it passes answers on to the scorer of any other task",
}


def rows(
    task: str, count: int = 1000, split: str = "train", seed: int = 0, config: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Rows of a task, as `data.source: rewards.reasoning_gym:rows` with `options`: `prompt`, `solution`, and what names
    the problem: `task`, `seed`, `index`, `config`, and `digest`, a hash of its question. `solution` is None for tasks
    that are judged by their rules alone.

    count: rows. config: the task's own settings (their names in reasoning-gym). split: `train` or `test`, parted by a
    hash of the question, so they share no problem. A task with few problems gives fewer rows of `test` than asked, or
    none. Raises RewardError for a task that does not exist or may not be scored, and for settings it does not take.
    """
    if split not in ("train", "test"):
        raise RewardError(f"reasoning_gym: the splits are train and test, not {split!r}")
    fault = why_refused(task)
    if fault is not None:
        raise RewardError(f"reasoning_gym: {fault}")
    settings = json.dumps(dict(config or {}), sort_keys=True)
    found: list[dict[str, Any]] = []
    for number in range(2 * HELD_OUT * count + 100):
        if len(found) == count:
            break
        chunk, index = divmod(number, CHUNK)
        chunk_seed = _hash(f"{seed} {chunk}") % 2**31
        entry = open_task(task, chunk_seed, settings)[index]
        if (_hash(entry["question"]) % HELD_OUT == 0) == (split == "test"):
            problem = {"task": task, "seed": chunk_seed, "index": index, "config": settings}
            row = {"prompt": entry["question"], "solution": entry["answer"], **problem}
            found.append({**row, "digest": digest(entry["question"])})
    return found


def digest(question: str) -> str:
    """By which a row and the problem made again are known to be the same."""
    return f"{_hash(question):016x}"


def _hash(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")


def why_refused(task: str) -> str | None:
    """Why a task is not scored, or None."""
    if task in REFUSED:
        return f"the task {task} is not scored: {REFUSED[task]}"
    known: Sequence[str] = sorted(load_package().factory.DATASETS)
    if task not in known:
        near = get_close_matches(task, known, n=3)
        return f"reasoning-gym has no task {task!r}" + (f"; near it are {', '.join(near)}" if near else "")
    return None


@functools.cache
def load_package() -> Any:
    """The package. Raises RewardError where it is missing or not the version whose scorers were read."""
    try:
        module = importlib.import_module("reasoning_gym")
    except ModuleNotFoundError as error:
        if error.name != "reasoning_gym":
            raise
        raise RewardError("reasoning_gym needs the package: pip install 'grpo[reasoning-gym]'") from error
    version = importlib.metadata.version("reasoning-gym")
    if version != TRIED:
        raise RewardError(
            f"reasoning-gym {version} is installed; what its scorers execute was read in {TRIED} only: "
            f"pip install reasoning-gym=={TRIED}"
        )
    return module


@functools.lru_cache(maxsize=64)
def open_task(task: str, seed: int, settings: str) -> Any:
    """A generator of CHUNK problems of the task: some tasks make all of them at once, and others depending on how many
    there are, so it is always as many, and more problems come from more seeds."""
    try:
        return load_package().create_dataset(task, seed=seed, size=CHUNK, **json.loads(settings))
    except (TypeError, AssertionError, ValueError) as error:
        raise RewardError(f"reasoning_gym: the task {task} does not take {settings}: {error}") from error
