"""The order of prompts: a pure function of the step."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.data.order import prompts_for_step, steps_for_epochs, steps_per_epoch
from grpo.errors import UserError


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    count = draw(st.integers(1, 40))
    return count, draw(st.integers(1, count))


@settings(max_examples=200, deadline=None)
@given(sizes(), st.integers(0, 2**63 - 1), st.booleans())
def test_each_epoch_visits_each_prompt_once_and_no_step_repeats_one(
    size: tuple[int, int], seed: int, shuffle: bool
) -> None:
    count, per_step = size
    steps = [prompts_for_step(count, per_step, step, seed, shuffle) for step in range(4 * count // per_step + 2)]
    for taken in steps:
        assert len(taken) == per_step == len(set(taken))
    flat = [index for taken in steps for index in taken]
    for epoch in range(len(flat) // count):
        assert sorted(flat[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_the_order_is_the_same_in_every_process_and_from_any_step() -> None:
    assert prompts_for_step(10, 4, 0, 7, True) == EXPECTED[0]
    assert [prompts_for_step(10, 4, step, 7, True) for step in (4, 2, 3, 1)] == [EXPECTED[i] for i in (4, 2, 3, 1)]
    assert prompts_for_step(10, 4, 2, 7, False) == [8, 9, 0, 1]
    assert prompts_for_step(10, 4, 0, 8, True) != EXPECTED[0]


def test_more_prompts_than_there_are_fails() -> None:
    with pytest.raises(UserError, match="a step takes 8 prompts, and the data has 4"):
        prompts_for_step(4, 8, 0, 0, True)


def test_steps_of_epochs() -> None:
    assert [steps_per_epoch(count, 8) for count in (1, 8, 9, 700)] == [1, 1, 2, 88]
    assert [steps_for_epochs(e, 700, 8) for e in (0.001, 0.5, 1, 2)] == [1, 44, 88, 175]


EXPECTED = [[2, 6, 9, 5], [8, 4, 3, 7], [1, 0, 3, 7], [8, 2, 4, 1], [6, 0, 9, 5]]
