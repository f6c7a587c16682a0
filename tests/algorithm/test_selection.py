from functools import partial
from itertools import combinations
from statistics import pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.algorithm.advantages import group_advantages
from grpo.algorithm.selection import count_with_signal, most_varied, select
from grpo.records import Completion, Group, Prompt
from rewards.verdict import scored

JUDGE = partial(group_advantages, weights={"math": 1.0})


def group(name: str, scores: list[float]) -> Group:
    completions = tuple(Completion(name, i, (1,), (0.0,), "", "stop", 0) for i in range(len(scores)))
    return Group(Prompt(name, "", (1,)), completions, tuple({"math": scored(score)} for score in scores))


SCORES: dict[str, list[float]] = {"easy": [1, 1, 1, 1], "half": [1, 0, 1, 0], "hard": [0, 0, 0, 0], "one": [0, 0, 1, 0]}
GROUPS = [group(name, scores) for name, scores in SCORES.items()]


def test_groups_with_a_signal_come_first_and_keep_their_order() -> None:
    assert count_with_signal(JUDGE(GROUPS)) == 2
    assert [chosen.prompt.id for chosen in select(GROUPS, JUDGE, 2).groups] == ["half", "one"]
    assert [chosen.prompt.id for chosen in select(GROUPS, JUDGE, 3).groups] == ["easy", "half", "one"]
    assert [chosen.prompt.id for chosen in select(GROUPS, JUDGE, 1).groups] == ["half"]


def test_all_of_everything_is_what_was_sampled() -> None:
    chosen, plain = select(GROUPS, JUDGE, 4), JUDGE(GROUPS)
    assert chosen.groups == GROUPS
    assert chosen.advantages == chosen.sampled == plain


def test_what_is_not_trained_on_is_recorded_with_its_reward_and_without_advantage() -> None:
    chosen = select(GROUPS, JUDGE, 1, completions=2)
    (only,) = chosen.groups
    assert [completion.sample for completion in only.completions] == [0, 1]
    assert [verdicts["math"].score for verdicts in only.verdicts] == [1, 0]
    (values,) = chosen.advantages.advantages
    assert values[0] == pytest.approx(0.5 / (0.5**0.5 + 1e-4))
    assert chosen.sampled.advantages == [[0.0] * 4, [*values, 0.0, 0.0], [0.0] * 4, [0.0] * 4]
    assert chosen.sampled.rewards[3] == [0, 0, 1, 0]


def test_rounding_of_the_mean_over_the_batch_is_no_signal() -> None:
    judge = partial(group_advantages, weights={"math": 1.0}, aggregation="normalize_then_sum")
    groups = [group("thirds", [0.1, 0.2, 0.7]), group("flat", [1 / 3, 1 / 3, 1 / 3])]
    assert count_with_signal(judge(groups)) == 1


def test_most_varied_by_hand() -> None:
    assert most_varied([0, 0, 0, 1, 0, 0, 0, 0], 4) == [0, 1, 2, 3]
    assert most_varied([1, 1, 0, 1, 1, 0, 1, 0], 4) == [0, 1, 2, 5]
    assert most_varied([0.5, 0.2, 0.9, 0.4], 2) == [1, 2]
    assert most_varied([None, 0.3, None, 0.1], 3) == [0, 1, 3]
    assert most_varied([0.5, 0.5, 0.5], 2) == [0, 1]


@given(st.lists(st.integers(0, 6), min_size=2, max_size=9), st.data())
def test_no_other_choice_varies_more(rewards: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(2, len(rewards)))
    chosen = most_varied(rewards, count)
    assert len(set(chosen)) == len(chosen) == count
    best = max(pvariance(subset) for subset in combinations(rewards, count))
    assert pvariance([rewards[place] for place in chosen]) == pytest.approx(best)
