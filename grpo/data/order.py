"""Which prompts a step takes: a pure function of how far each source was taken, so that a resumed run takes the same.

Draws cut an endless sequence of epochs into pieces; each epoch is a permutation of all prompts of its source. A draw
that straddles two epochs never takes the same prompt twice (its two groups would be the same completions, seed for
seed): prompts that it already has move further back in the new epoch.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from math import ceil, floor
from random import Random

from grpo.recipe.mixture import proportions
from grpo.seeds import derive_seed

GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a source was taken. place: prompts of epoch `epoch` that were. moved: (place, index) where this epoch
    differs from its plain permutation."""

    epoch: int = 0
    place: int = 0
    moved: tuple[tuple[int, int], ...] = ()


def take(
    cursor: Cursor, number: int, count: int, *, seed: int, shuffle: bool, avoid: Collection[int] = ()
) -> tuple[list[int], Cursor]:
    """The next `number` indices into `count` prompts, none twice, and where the draw after it begins.

    avoid: indices that the same draw was given before. Every epoch visits each prompt exactly once. Without `shuffle`,
    epochs keep the order of the file. Raises ValueError where there are fewer prompts than that.
    """
    if number > count - len(avoid):
        raise ValueError(f"{number} prompts asked for, and there are {count - len(avoid)}")
    order, moved = list(_epoch(count, cursor.epoch, seed, shuffle)), dict(cursor.moved)
    for place, index in moved.items():
        order[place] = index
    end = min(cursor.place + number, count)
    _set_apart(order, range(cursor.place, end), avoid, moved)
    taken = order[cursor.place : end]
    if len(taken) == number:
        return taken, Cursor(cursor.epoch, end, tuple(sorted(moved.items())))
    fresh, missing = Cursor(cursor.epoch + 1), number - len(taken)
    rest, after = take(fresh, missing, count, seed=seed, shuffle=shuffle, avoid={*avoid, *taken})
    return taken + rest, after


def shares(weights: Mapping[str, float], number: int, draw: int) -> dict[str, int]:
    """How many of `number` prompts each source gives in draw `draw` (from 0): its weight's share, rounded down or up.

    Systematic sampling: points at equal distances over the weights laid end to end, shifted from draw to draw by the
    golden ratio, so that what rounding gives and takes evens out over a few draws.
    """
    shift = Fraction(draw * GOLDEN % 1)
    points = [0, *(floor(number * edge + shift) for edge in accumulate(proportions(weights).values()))]
    return {name: points[i + 1] - points[i] for i, name in enumerate(weights)}


def interleaved(numbers: Mapping[str, int]) -> list[str]:
    """The sources' names, each as often as its number and spread evenly: updates that share a step see one mixture."""
    places = [((j + 0.5) / number, i, name) for i, (name, number) in enumerate(numbers.items()) for j in range(number)]
    return [name for _, _, name in sorted(places)]


def steps_per_epoch(count: int, per_step: int) -> int:
    """Steps until every prompt was taken once; the last of them may reach into the next epoch."""
    return ceil(count / per_step)


def steps_for_epochs(epochs: float, count: int, per_step: int) -> int:
    """Steps that take at least `epochs` times the number of prompts."""
    return max(1, ceil(epochs * count / per_step))


@lru_cache(maxsize=32)
def _epoch(count: int, epoch: int, seed: int, shuffle: bool) -> tuple[int, ...]:
    order = list(range(count))
    if shuffle:
        Random(derive_seed(seed, "order", epoch)).shuffle(order)
    return tuple(order)


def _set_apart(order: list[int], begun: range, avoid: Collection[int], moved: dict[int, int]) -> None:
    """Swaps each of `avoid` among the places `begun` with the next place behind them that is free of them."""
    free = (place for place in range(begun.stop, len(order)) if order[place] not in avoid)
    for place in begun:
        if order[place] in avoid:
            other = next(free)
            order[place], order[other] = order[other], order[place]
            moved[place], moved[other] = order[place], order[other]
