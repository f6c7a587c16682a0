"""Drawing a task's problems: seeded, each split its own, distinct while there are new ones to be had."""

from collections.abc import Callable, Hashable, Iterator
from random import Random
from typing import TypeVar

from grpo.seeds import derive_seed

HELD_OUT = 0.2  # share of all problems that belong to `test`
_TRIES = 200  # draws without a new problem after which the set counts as used up

Problem = TypeVar("Problem")


def held_out(*problem: int | str) -> bool:
    """Whether this problem belongs to the test split: decided by its hash, never by a seed."""
    return derive_seed("held out", *problem) < HELD_OUT * 2**63


def draw_problems(
    make: Callable[[Random], Problem],
    key: Callable[[Problem], tuple[int | str, ...]],
    *,
    task: str,
    split: str,
    seed: int,
    count: int,
) -> Iterator[tuple[Problem, Random]]:
    """`count` problems of the split, each with a generator of its own for what is drawn beside it.

    make: a random problem; key: what makes two problems the same one (and decides its split). Problems repeat only
    when no new one turns up in 200 draws. Raises `ValueError` where the split has none at all.
    """
    seen: set[Hashable] = set()
    belongs: dict[Hashable, bool] = {}  # where problems are used up, each is met hundreds of times
    for index in range(count):
        random = Random(derive_seed(seed, task, split, index))
        found: Problem | None = None
        for _ in range(_TRIES):
            problem = make(random)
            name = key(problem)
            if name not in belongs:
                belongs[name] = held_out(*name) == (split == "test")
            if belongs[name]:
                found = problem
                if name not in seen:
                    break
        if found is None:
            raise ValueError(f"no problem of these options falls into the {split} split: allow more of them")
        seen.add(key(found))
        yield found, random


def draw_number(random: Random, fewest: int, most: int) -> int:
    """A number of fewest to most digits, each length as likely, without a leading zero."""
    length = random.randint(fewest, most)
    return random.randrange(10 ** (length - 1) if length > 1 else 0, 10**length)


def share(value: float, name: str) -> float:
    """`value`, checked to be a share between 0 and 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is a share between 0 and 1, got {value}")
    return value
