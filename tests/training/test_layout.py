"""Layout: every sample once, within the budget, and each scored token beside the position that predicts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.records import Sample
from grpo.training.layout import balance, build, plan_microbatches, split_updates


def test_one_row_a_sample_padded_on_the_right() -> None:
    samples = [Sample("a", (5, 6), (7, 8, 9), (0.0,) * 3, 1.0), Sample("b", (4,), (3,), (0.0,), 1.0)]
    batch = build(samples, [1, 0], "cpu")
    assert batch.samples == (1, 0)
    assert batch.token_ids.tolist() == [[4, 3, 0, 0, 0], [5, 6, 7, 8, 9]]
    assert batch.attention_mask().tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert batch.predicted_at.tolist() == [0, 6, 7, 8]
    assert batch.targets.tolist() == [3, 7, 8, 9]
    assert batch.sample_of.tolist() == [0, 1, 1, 1]
    assert batch.lengths.tolist() == [1, 3]


def test_a_completion_without_a_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing predicts its first"):
        build([Sample("a", (), (7,), (0.0,), 1.0)], [0], "cpu")


def test_updates_are_contiguous_so_that_groups_stay_together() -> None:
    assert split_updates(8, 2) == [range(0, 4), range(4, 8)]
    assert split_updates(7, 3) == [range(0, 2), range(2, 4), range(4, 7)]


def test_longest_first_within_the_padded_budget() -> None:
    assert plan_microbatches([2, 9, 4, 4, 1], tokens_per_microbatch=8) == [[1], [2, 3], [0, 4]]


def test_balance_by_longest_first_leaves_ranks_empty_where_there_is_nothing() -> None:
    assert balance([5, 3, 3, 2], 2) == [[0, 3], [1, 2]]
    assert balance([5], 3) == [[0], [], []]
    assert balance([], 2) == [[], []]


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 100))
def test_every_sequence_is_planned_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan_microbatches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 6))
def test_balance_shares_out_every_item_once_and_evenly(costs: list[int], ranks: int) -> None:
    shares = balance(costs, ranks)
    assert sorted(item for share in shares for item in share) == list(range(len(costs)))
    loads = [sum(costs[item] for item in share) for share in shares]
    assert max(loads) <= sum(costs) / ranks + max(costs, default=0)
