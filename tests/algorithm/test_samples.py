from collections.abc import Callable
from dataclasses import replace

import pytest

from grpo.algorithm.advantages import GroupAdvantages, group_advantages
from grpo.algorithm.batch import Denominators
from grpo.algorithm.samples import reward_statistics, to_samples
from grpo.records import Sample

ONE = {"r0": 1.0}


def test_one_sample_a_completion(group: Callable) -> None:
    groups = [group([1.0], [0.0], name="a"), group([3.0], [5.0], name="b")]
    samples = to_samples(groups, group_advantages(groups, ONE, scale_rewards="none"), mask_truncated=False)
    assert samples == [
        Sample("a", (1, 2), (5,), (-0.5,), 0.5),
        Sample("a", (1, 2), (5, 6), (-0.5, -0.25), -0.5),
        Sample("b", (1, 2), (5,), (-0.5,), -1.0),
        Sample("b", (1, 2), (5, 6), (-0.5, -0.25), 1.0),
    ]


def test_truncated_completions_leave_the_denominators_but_not_the_baseline(group: Callable) -> None:
    groups = [group([1.0], [0.0], [0.5], finish=["stop", "length", "stop"])]
    advantages = group_advantages(groups, ONE, scale_rewards="none")
    kept = to_samples(groups, advantages, mask_truncated=False)
    masked = to_samples(groups, advantages, mask_truncated=True)
    assert [sample.advantage for sample in kept] == [0.5, -0.5, 0.0]
    assert [(sample.advantage, sample.counted) for sample in masked] == [(0.5, True), (0.0, False), (0.0, True)]
    # lengths 1, 2, 3; the completion of advantage 0 counts
    assert Denominators.of(kept, 9) == Denominators(samples=3, tokens=6, max_completion_length=9)
    assert Denominators.of(masked, 9) == Denominators(samples=2, tokens=4, max_completion_length=9)


def test_unjudged_completions_are_not_counted(group: Callable) -> None:
    groups = [group([1.0], ["timeout"], [None])]
    samples = to_samples(groups, group_advantages(groups, ONE), mask_truncated=False)
    assert [sample.counted for sample in samples] == [True, False, False]


def test_a_completion_in_the_wrong_group_is_named(group: Callable) -> None:
    whole = group([1.0], [0.0])
    stray = replace(whole, completions=(replace(whole.completions[0], prompt_id="q"), whole.completions[1]))
    with pytest.raises(ValueError, match="prompt q stands in the group of p"):
        to_samples([stray], GroupAdvantages([[0.0, 0.0]], [[1.0, 0.0]], [[True, True]]), mask_truncated=False)


def test_reward_statistics_by_hand(group: Callable) -> None:
    # judged rewards 1, 0, 0, 1, 1: mean 0.6, unbiased std sqrt(1.2 / 4); groups 2 and 3 have no signal
    groups = [group([1.0], [0.0], [0.0]), group([1.0], [1.0]), group(["error"], [None])]
    figures = reward_statistics(groups, group_advantages(groups, ONE))
    assert figures == {
        "reward": pytest.approx(0.6),
        "reward_std": pytest.approx(0.3**0.5),
        "frac_reward_zero_std": pytest.approx(2 / 3),
    }


def test_no_figures_where_nothing_was_judged(group: Callable) -> None:
    groups = [group(["error"], ["error"])]
    assert reward_statistics(groups, group_advantages(groups, ONE)) == {}
