"""Layout: every sample once, within the budget, and each scored token beside the position that predicts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.models.paths import Branch
from grpo.records import Sample
from grpo.training.layout import Layout, balance, split_updates
from grpo.training.padded import PaddedRows, plan_microbatches
from grpo.training.shared import SharedPrompts


def test_one_row_a_sample_padded_on_the_right() -> None:
    samples = [Sample("a", (5, 6), (7, 8, 9), (0.0,) * 3, 1.0), Sample("b", (4,), (3,), (0.0,), 1.0)]
    batch = PaddedRows().build(samples, [1, 0], "cpu")
    assert batch.samples == (1, 0)
    assert batch.token_ids.tolist() == [[4, 3, 0, 0, 0], [5, 6, 7, 8, 9]]
    assert batch.attention_mask().tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert batch.predicted_at.tolist() == [0, 6, 7, 8]
    assert batch.targets.tolist() == [3, 7, 8, 9]
    assert batch.sample_of.tolist() == [0, 1, 1, 1]
    assert batch.lengths.tolist() == [1, 3]


@pytest.mark.parametrize("layout", [PaddedRows(), SharedPrompts()])
def test_a_completion_without_a_prompt_is_refused(layout: Layout) -> None:
    with pytest.raises(ValueError, match="nothing predicts its first"):
        layout.build([Sample("a", (), (7,), (0.0,), 1.0)], [0], "cpu")


def test_completions_of_a_prompt_share_its_tokens_and_its_last_position() -> None:
    samples = [
        Sample("a", (5, 6), (7, 8, 9), (0.0,) * 3, 1.0),
        Sample("b", (4,), (3,), (0.0,), 1.0),
        Sample("a", (5, 6), (2, 1), (0.0,) * 2, 1.0),
    ]
    batch = SharedPrompts().build(samples, [0, 1, 2], "cpu")
    assert batch.samples == (0, 2, 1)
    assert batch.token_ids.tolist() == [[5, 6, 7, 8, 2, 4]]
    assert batch.position_ids is not None and batch.position_ids.tolist() == [[0, 1, 2, 3, 2, 0]]
    assert batch.predicted_at.tolist() == [1, 2, 3, 1, 4, 5]
    assert batch.targets.tolist() == [7, 8, 9, 2, 1, 3]
    assert batch.sample_of.tolist() == [0, 0, 0, 1, 1, 2]
    assert batch.paths is not None
    assert batch.paths.branches == (Branch(0, 2, (2, 1)), Branch(5, 1, (0,)))
    grid, none = batch.paths.grids
    assert grid is not None and none is None
    assert grid.queries.tolist() == [[2, 3], [4, 0]]
    assert grid.keys.tolist() == [[0, 1, 2, 3], [0, 1, 4, 0]]
    assert grid.inside.tolist() == [0, 1, 2]


def test_a_group_is_split_only_where_a_rank_would_idle_or_the_budget_is_full() -> None:
    samples = [Sample("a", (1, 2), (3,) * length, (0.0,) * length, 1.0) for length in (4, 4, 2, 2)]
    layout = SharedPrompts()
    assert layout.units(samples, range(4), ranks=1) == [[0, 1, 2, 3]]
    assert layout.units(samples, range(4), ranks=3) == [[0], [1], [2, 3]]
    assert layout.units(samples, [0], ranks=3) == [[0]]
    assert layout.cost(samples, [0, 2]) == 8
    assert layout.microbatches(samples, [[0, 1, 2, 3]], budget=100) == [[0, 1, 2, 3]]
    assert layout.microbatches(samples, [[0, 1, 2, 3]], budget=10) == [[0, 1], [2, 3]]
    assert layout.microbatches(samples, [[0, 1, 2, 3]], budget=3) == [[0], [1], [2], [3]]


def test_the_largest_micro_batch_fills_the_budget_but_not_more_than_an_update() -> None:
    padded, shared = PaddedRows(), SharedPrompts()
    assert [padded.most(10, 20, budget, at_most=64) for budget in (16, 100, 100_000)] == [1, 3, 64]
    assert [shared.most(10, 20, budget, at_most=64) for budget in (16, 100, 100_000)] == [1, 4, 64]


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


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), max_size=24), st.integers(1, 40), st.integers(1, 4))
def test_shared_prompts_plan_every_sample_once_within_the_budget(
    drawn: list[tuple[int, int]], budget: int, ranks: int
) -> None:
    samples = [Sample(str(p), (p,) * (p + 1), (9,) * length, (0.0,) * length, 1.0) for p, length in drawn]
    layout = SharedPrompts()
    units = layout.units(samples, range(len(samples)), ranks)
    assert len(units) >= min(ranks, len(samples))
    batches = layout.microbatches(samples, units, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(samples)))
    for batch in batches:
        assert len(batch) == 1 or layout.build(samples, batch, "cpu").token_ids.numel() <= budget
