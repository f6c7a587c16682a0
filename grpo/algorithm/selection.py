"""Which of a step's completions are trained on: all, or those that say most.

Two choices, each off by default, each with its price:

Groups with a signal first (DAPO's dynamic sampling, arXiv 2503.14476 §3.2). The step estimates the gradient over the
prompts on which the policy is sometimes right and sometimes wrong; prompts that are always or never solved lose their
weight in every denominator, so steps are larger than without.

The most varied completions of a group (PODS, arXiv 2504.13818). Baseline and std are those of the chosen completions,
in which extremes are over-represented: advantages differ from those of the whole group.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from grpo.algorithm.advantages import GroupAdvantages
from grpo.records import Group

NEGLIGIBLE = 1e-9
"""An advantage below it is rounding: `normalize_then_sum` subtracts a mean that is zero but for that."""

Judge = Callable[[Sequence[Group]], GroupAdvantages]
"""`group_advantages` with a recipe's weights and options."""


@dataclass(frozen=True, slots=True)
class Selection:
    """groups: those trained on, with the completions trained on. advantages: theirs. sampled: of everything that was
    sampled, with advantage 0 where it is not trained on."""

    groups: list[Group]
    advantages: GroupAdvantages
    sampled: GroupAdvantages


def select(groups: Sequence[Group], judge: Judge, count: int, completions: int | None = None) -> Selection:
    """`count` groups, those with a signal first, in the order given; then `completions` of each (None: all)."""
    sampled = judge(groups)
    if len(groups) <= count and completions is None:
        return Selection(list(groups), sampled, sampled)
    places = _groups_with_signal_first(sampled, count)
    kept = [_kept(sampled.rewards[place], completions) for place in places]
    chosen = [_thinned(groups[place], rows) for place, rows in zip(places, kept, strict=True)]
    advantages = judge(chosen)
    spread = [[0.0] * len(rewards) for rewards in sampled.rewards]
    for place, rows, values in zip(places, kept, advantages.advantages, strict=True):
        for row, value in zip(rows, values, strict=True):
            spread[place][row] = value
    return Selection(chosen, advantages, replace(sampled, advantages=spread))


def count_with_signal(advantages: GroupAdvantages) -> int:
    """Groups in which some completion has an advantage."""
    return sum(map(has_signal, advantages.advantages))


def most_varied(rewards: Sequence[float | None], count: int) -> list[int]:
    """Places of the `count` completions whose rewards vary most, in ascending order: for some k the k highest and the
    count - k lowest (PODS, theorem 1). Of subsets that vary alike, the one with fewest of the highest; of equal rewards
    the first; unjudged completions only where there are not enough others."""
    judged = sorted((reward, place) for place, reward in enumerate(rewards) if reward is not None)
    if len(judged) <= count:
        unjudged = [place for place, reward in enumerate(rewards) if reward is None]
        return sorted([place for _, place in judged] + unjudged[: count - len(judged)])
    sums = [0.0, *accumulate(reward for reward, _ in judged)]
    squares = [0.0, *accumulate(reward * reward for reward, _ in judged)]

    def variance(highest: int) -> float:
        """Times count²: of the `highest` highest and the rest from below."""
        low, high = count - highest, len(judged) - highest
        total = sums[low] + sums[-1] - sums[high]
        return count * (squares[low] + squares[-1] - squares[high]) - total * total

    highest = max(range(count + 1), key=lambda k: (variance(k), -k))
    ascending, descending = judged, sorted(judged, key=lambda pair: (-pair[0], pair[1]))
    low = {place for _, place in ascending[: count - highest]}
    high = [place for _, place in descending if place not in low]
    return sorted([*low, *high[:highest]])


def _groups_with_signal_first(advantages: GroupAdvantages, count: int) -> list[int]:
    places = range(len(advantages.advantages))
    first = sorted(places, key=lambda place: not has_signal(advantages.advantages[place]))  # stable
    return sorted(first[:count])


def has_signal(advantages: Sequence[float]) -> bool:
    """Whether some completion of a group has an advantage."""
    return any(abs(advantage) > NEGLIGIBLE for advantage in advantages)


def _kept(rewards: Sequence[float | None], completions: int | None) -> list[int]:
    return list(range(len(rewards))) if completions is None else most_varied(rewards, completions)


def _thinned(group: Group, rows: Sequence[int]) -> Group:
    return Group(
        group.prompt,
        tuple(group.completions[row] for row in rows),
        tuple(group.verdicts[row] for row in rows),
    )
