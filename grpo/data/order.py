"""Which prompts a step takes: a pure function of the step, so that a resumed run takes the same ones.

Steps cut an endless sequence of epochs into pieces; each epoch is a permutation of all prompts. A step that straddles
two epochs never takes the same prompt twice (its two groups would be the same completions, seed for seed): prompts
that the step already has move further back in the new epoch.
"""

from functools import lru_cache
from math import ceil
from random import Random

from grpo.errors import UserError
from grpo.seeds import derive_seed


def prompts_for_step(count: int, per_step: int, step: int, seed: int, shuffle: bool) -> list[int]:
    """Indices into `count` prompts of the `per_step` that step `step` (from 0) takes; no index twice in one step.

    Every epoch visits each prompt exactly once. Without `shuffle`, epochs keep the order of the file.
    Raises `UserError` where a step needs more prompts than there are.
    """
    if per_step > count:
        raise UserError(
            f"a step takes {per_step} prompts, and the data has {count}",
            where="prompts_per_step",
            advice="Lower prompts_per_step, or give more data.",
        )
    if step < 0:
        raise ValueError(f"steps count from 0, got {step}")
    positions = range(step * per_step, (step + 1) * per_step)
    if not shuffle:
        return [position % count for position in positions]
    return [_epoch(count, per_step, position // count, seed)[position % count] for position in positions]


def steps_per_epoch(count: int, per_step: int) -> int:
    """Steps until every prompt was taken once; the last of them may reach into the next epoch."""
    return ceil(count / per_step)


def steps_for_epochs(epochs: float, count: int, per_step: int) -> int:
    """Steps that take at least `epochs` times the number of prompts."""
    return max(1, ceil(epochs * count / per_step))


@lru_cache(maxsize=8)
def _epoch(count: int, per_step: int, epoch: int, seed: int) -> tuple[int, ...]:
    """The order of epoch `epoch`, with the prompts of a straddling step kept apart."""
    begun = _begun(count, per_step, epoch)
    if begun == 0:
        return tuple(_shuffled(count, epoch, seed))
    taken = set(_tail(count, per_step, epoch - 1, seed)[-(per_step - begun) :])
    return tuple(_apart(_shuffled(count, epoch, seed), begun, taken))


def _tail(count: int, per_step: int, epoch: int, seed: int) -> tuple[int, ...] | list[int]:
    """The last `per_step` places of an epoch.

    `_apart` changes only the first `per_step` places, so with two steps or more to an epoch the tail is the plain
    shuffle's. Smaller sets are followed from the last epoch that began with a step of its own.
    """
    if count >= 2 * per_step:
        return _shuffled(count, epoch, seed)[-per_step:]
    order: tuple[int, ...] | list[int] = ()
    first = next(e for e in range(epoch, -1, -1) if e * count % per_step == 0)
    for e in range(first, epoch + 1):
        begun = _begun(count, per_step, e)
        plain = _shuffled(count, e, seed)
        order = _apart(plain, begun, set(order[-(per_step - begun) :])) if begun else plain
    return order[-per_step:]


def _begun(count: int, per_step: int, epoch: int) -> int:
    """How many of the epoch's first places belong to a step that began in the epoch before."""
    return -(epoch * count) % per_step


def _apart(order: list[int], begun: int, taken: set[int]) -> list[int]:
    """`order` with each of `taken` among the first `begun` places swapped with the next place that is free of them."""
    order = list(order)
    free = (place for place in range(begun, len(order)) if order[place] not in taken)
    for place in range(begun):
        if order[place] in taken:
            other = next(free)
            order[place], order[other] = order[other], order[place]
    return order


def _shuffled(count: int, epoch: int, seed: int) -> list[int]:
    order = list(range(count))
    Random(derive_seed(seed, "order", epoch)).shuffle(order)
    return order
