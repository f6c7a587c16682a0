import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.algorithm.advantages import group_advantages
from grpo.records import Completion, Group, Prompt
from rewards.verdict import scored

ONE = {"r0": 1.0}


def test_group_std_is_unbiased_with_trls_epsilon(group: Callable) -> None:
    # mean 1/4, std sqrt((9 + 3) / 16 / 3) = 1/2
    result = group_advantages([group([1.0], [0.0], [0.0], [0.0])], ONE)
    assert result.advantages == [[pytest.approx(0.75 / 0.5001), *[pytest.approx(-0.25 / 0.5001)] * 3]]
    assert result.rewards == [[1.0, 0.0, 0.0, 0.0]]


def test_no_scaling(group: Callable) -> None:
    result = group_advantages([group([3.0], [1.0], [2.0])], ONE, scale_rewards="none")
    assert result.advantages == [[1.0, -1.0, 0.0]]


def test_batch_std_spans_the_groups(group: Callable) -> None:
    # all rewards: 1, 0, 0, 0 → std 1/2; the second group has no spread and stays at 0
    groups = [group([1.0], [0.0]), group([0.0], [0.0])]
    result = group_advantages(groups, ONE, scale_rewards="batch")
    assert result.advantages == [[pytest.approx(0.5 / 0.5001), pytest.approx(-0.5 / 0.5001)], [0.0, 0.0]]


def test_leave_one_out(group: Callable) -> None:
    # 1 - 0 and 0 - (1 + 0)/2
    result = group_advantages([group([1.0], [0.0], [0.0])], ONE, scale_rewards="none", baseline="leave_one_out")
    assert result.advantages == [[pytest.approx(1.0), pytest.approx(-0.5), pytest.approx(-0.5)]]


def test_weights_and_sum(group: Callable) -> None:
    # 2·1 - 1·1 = 1 and 2·0 - 1·3 = -3
    result = group_advantages([group([1.0, 1.0], [0.0, 3.0])], {"r0": 2.0, "r1": -1.0}, scale_rewards="none")
    assert result.rewards == [[1.0, -3.0]]
    assert result.advantages == [[2.0, -2.0]]


@pytest.mark.parametrize("status", ["timeout", "error", "bad_reference"])
@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_unjudged_is_left_out_of_baseline_and_std(group: Callable, status: str, scale: Any) -> None:
    with_gap = group_advantages(
        [group([1.0, 1.0], [status, 1.0], [0.0, 0.0])], {"r0": 1.0, "r1": 1.0}, scale_rewards=scale
    )
    without = group_advantages([group([1.0, 1.0], [0.0, 0.0])], {"r0": 1.0, "r1": 1.0}, scale_rewards=scale)
    (first, second), rewards = without.advantages[0], with_gap.rewards
    assert with_gap.advantages == [[first, 0.0, second]]
    assert rewards == [[2.0, None, 0.0]]


def test_unjudged_is_left_out_of_every_rewards_normalisation(group: Callable) -> None:
    weights = {"r0": 1.0, "r1": 0.5}
    gap = group([1.0, 1.0], [9.0, "error"], [0.0, 0.5])
    with_gap = group_advantages([gap], weights, aggregation="normalize_then_sum")
    without = group_advantages([group([1.0, 1.0], [0.0, 0.5])], weights, aggregation="normalize_then_sum")
    assert with_gap.advantages == [[without.advantages[0][0], 0.0, without.advantages[0][1]]]


def test_not_applicable_drops_its_own_weight_alone(group: Callable) -> None:
    result = group_advantages([group([1.0, None], [1.0, 1.0])], {"r0": 1.0, "r1": 0.5}, scale_rewards="none")
    assert result.rewards == [[1.0, 1.5]]
    assert result.advantages == [[-0.25, 0.25]]


def test_no_reward_applies_is_not_a_zero(group: Callable) -> None:
    result = group_advantages([group([1.0], [None], [0.0])], ONE, scale_rewards="none")
    assert result.rewards == [[1.0, None, 0.0]]
    assert result.advantages == [[0.5, 0.0, -0.5]]


def test_where_something_else_teaches_what_no_reward_judges_is_counted_and_nothing_else(group: Callable) -> None:
    mixed = group([1.0], [None], ["error"], [0.5])
    found = group_advantages([mixed], ONE, scale_rewards="none", keep_unrewarded=True)
    assert found.rewards == [[1.0, None, None, 0.5]]
    assert found.advantages == [[0.25, 0.0, 0.0, -0.25]]
    assert found.counted == [[True, True, False, True]]
    bare = group_advantages([group([], [])], {}, keep_unrewarded=True)
    assert (bare.rewards, bare.advantages, bare.counted) == ([[None, None]], [[0.0, 0.0]], [[True, True]])


@pytest.mark.parametrize("scale", ["group", "batch"])
def test_a_group_that_only_a_teacher_judges_changes_nothing_for_the_others(group: Callable, scale: Any) -> None:
    rewarded, bare = group([1.0], [0.0], [0.5]), group([None], [None], [None])
    alone = group_advantages([rewarded], ONE, scale_rewards=scale)
    both = group_advantages([rewarded, bare], ONE, scale_rewards=scale, keep_unrewarded=True)
    assert both.advantages == [*alone.advantages, [0.0, 0.0, 0.0]]
    summed = {"aggregation": "normalize_then_sum"}
    alone = group_advantages([rewarded], ONE, **summed)
    assert group_advantages([rewarded, bare], ONE, **summed, keep_unrewarded=True).advantages[0] == alone.advantages[0]


def test_reward_of_weight_zero_is_only_watched(group: Callable) -> None:
    result = group_advantages([group([1.0, "error"], [0.0, 7.0])], {"r0": 1.0, "r1": 0.0}, scale_rewards="none")
    assert result.advantages == [[0.5, -0.5]]


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
def test_equal_rewards_give_exactly_zero(group: Callable, scale: Any, baseline: Any) -> None:
    groups = [group([0.1], [0.1], [0.1]), group([1.0], [0.0], [0.3])]
    assert group_advantages(groups, ONE, scale_rewards=scale, baseline=baseline).advantages[0] == [0.0, 0.0, 0.0]


def test_one_judged_completion_has_nobody_to_compare_with(group: Callable) -> None:
    assert group_advantages([group([1.0], ["error"])], ONE).advantages == [[0.0, 0.0]]


def test_nothing_judged(group: Callable) -> None:
    for aggregation in ("sum_then_normalize", "normalize_then_sum"):
        result = group_advantages([group(["error"], ["timeout"])], ONE, aggregation=aggregation)
        assert (result.advantages, result.rewards) == ([[0.0, 0.0]], [[None, None]])


def test_normalize_then_sum_by_hand(group: Callable) -> None:
    # r0: 1, 0 → ±0.5/(s + e) with s = sqrt(1/2); r1: 0, 4 → ∓2/(4s + e)
    s, e = math.sqrt(0.5), 1e-4
    total = 3 * 0.5 / (s + e) - 2 / (4 * s + e)
    batch_std = total * math.sqrt(2)  # of total and -total, whose mean is 0
    expected = total / (batch_std + e)
    result = group_advantages([group([1.0, 0.0], [0.0, 4.0])], {"r0": 3.0, "r1": 1.0}, aggregation="normalize_then_sum")
    assert result.advantages == [[pytest.approx(expected), pytest.approx(-expected)]]
    assert result.rewards == [[3.0, 4.0]]


@pytest.mark.parametrize(
    ("row", "weights", "message"),
    [
        ([1.0], {"r0": 1.0, "other": 1.0}, "prompt p, sample 0: verdicts of .* but weights for .*other"),
        ([float("nan")], ONE, "prompt p, sample 0: reward 'r0' scored nan"),
        ([float("inf")], ONE, "scored inf"),
    ],
)
def test_mistakes_are_named(group: Callable, row: list, weights: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        group_advantages([group(row, [0.0])], weights)


def test_contradicting_options(group: Callable) -> None:
    for options in ({"baseline": "leave_one_out"}, {"scale_rewards": "none"}):
        with pytest.raises(ValueError, match="normalize_then_sum centres and scales"):
            group_advantages([group([1.0], [0.0])], ONE, aggregation="normalize_then_sum", **options)


def test_missing_verdicts(group: Callable) -> None:
    whole = group([1.0], [0.0])
    with pytest.raises(ValueError, match="2 completions with 1 sets of verdicts"):
        group_advantages([Group(whole.prompt, whole.completions, whole.verdicts[:1])], ONE)


def _scored_group(rewards: list[float]) -> Group:
    completions = tuple(Completion("p", i, (1,), (-1.0,), "", "stop", 0) for i in range(len(rewards)))
    return Group(Prompt("p", "", (1,)), completions, tuple({"r0": scored(reward)} for reward in rewards))


def _advantages(rewards: list[float], **options: Any) -> list[float]:
    return group_advantages([_scored_group(rewards)], ONE, **options).advantages[0]


eighths = st.integers(-80, 80).map(lambda n: n / 8)
reward_lists = st.lists(eighths, min_size=2, max_size=16)
scales = st.sampled_from(["group", "batch", "none"])
baselines = st.sampled_from(["mean", "leave_one_out"])


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=16), st.data(), scales, baselines)
def test_order_does_not_matter_to_the_last_bit(rewards: list[float], data: Any, scale: Any, baseline: Any) -> None:
    order = data.draw(st.permutations(range(len(rewards))))
    plain = _advantages(rewards, scale_rewards=scale, baseline=baseline)
    shuffled = _advantages([rewards[i] for i in order], scale_rewards=scale, baseline=baseline)
    assert shuffled == [plain[i] for i in order]


@given(reward_lists, st.integers(-100, 100), scales, baselines)
def test_a_constant_added_to_a_group_changes_nothing(
    rewards: list[float], shift: int, scale: Any, baseline: Any
) -> None:
    plain = _advantages(rewards, scale_rewards=scale, baseline=baseline)
    shifted = _advantages([reward + shift for reward in rewards], scale_rewards=scale, baseline=baseline)
    assert shifted == pytest.approx(plain, rel=1e-9, abs=1e-9)


@given(reward_lists, st.sampled_from([0.5, 3.0, 100.0]))
def test_scaled_rewards_have_the_same_advantages_but_for_epsilon(rewards: list[float], factor: float) -> None:
    plain, scaled = _advantages(rewards), _advantages([factor * reward for reward in rewards])
    # std is at least 1/32 here (two values 1/8 apart among 16), so epsilon moves an advantage by less than 1 %
    assert scaled == pytest.approx(plain, rel=1e-2)


@given(reward_lists)
def test_group_advantages_sum_to_zero_with_unit_spread(rewards: list[float]) -> None:
    advantages = _advantages(rewards)
    assert math.fsum(advantages) == pytest.approx(0.0, abs=1e-9)
    if len(set(rewards)) > 1:
        variance = math.fsum(a * a for a in advantages) / (len(advantages) - 1)
        assert variance == pytest.approx(1.0, rel=2e-2)


@given(reward_lists)
def test_leave_one_out_is_the_mean_baseline_stretched(rewards: list[float]) -> None:
    n = len(rewards)
    plain = _advantages(rewards, scale_rewards="none")
    loo = _advantages(rewards, scale_rewards="none", baseline="leave_one_out")
    assert loo == pytest.approx([a * n / (n - 1) for a in plain])
    assert loo == pytest.approx([r - (sum(rewards) - r) / (n - 1) for r in rewards], abs=1e-9)
