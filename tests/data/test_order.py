"""Which prompts a step takes: nothing twice, everything once an epoch, mixtures in proportion, from any cursor."""

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.data.order import Cursor, interleaved, shares, steps_for_epochs, steps_per_epoch, take
from grpo.recipe.mixture import proportions

SEEDS = st.integers(0, 2**63 - 1)


def taken(numbers: list[int], count: int, seed: int, shuffle: bool = True) -> list[list[int]]:
    cursor, draws = Cursor(), []
    for number in numbers:
        draw, cursor = take(cursor, number, count, seed=seed, shuffle=shuffle)
        draws.append(draw)
    return draws


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, list[int]]:
    count = draw(st.integers(1, 40))
    return count, draw(st.lists(st.integers(0, count), min_size=1, max_size=30))


@settings(max_examples=300, deadline=None)
@given(sizes(), SEEDS, st.booleans())
def test_each_epoch_visits_each_prompt_once_and_no_draw_repeats_one(
    size: tuple[int, list[int]], seed: int, shuffle: bool
) -> None:
    count, numbers = size
    draws = taken(numbers, count, seed, shuffle)
    for draw, number in zip(draws, numbers, strict=True):
        assert len(draw) == number == len(set(draw))
    flat = [index for draw in draws for index in draw]
    for epoch in range(len(flat) // count):
        assert sorted(flat[epoch * count : (epoch + 1) * count]) == list(range(count))


@settings(max_examples=300, deadline=None)
@given(sizes(), SEEDS, st.booleans(), st.data())
def test_a_draw_that_goes_on_repeats_nothing_of_what_it_was_given_and_epochs_stay_whole(
    size: tuple[int, list[int]], seed: int, shuffle: bool, data: st.DataObject
) -> None:
    count, numbers = size
    cursor, flat = Cursor(), []
    for number in numbers:
        draw: list[int] = []
        while len(draw) < number:  # as where some of them are skipped
            part = data.draw(st.integers(1, number - len(draw)))
            more, cursor = take(cursor, part, count, seed=seed, shuffle=shuffle, avoid=draw)
            draw += more
        assert len(set(draw)) == number
        flat += draw
    for epoch in range(len(flat) // count):
        assert sorted(flat[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_the_order_is_the_same_in_every_process() -> None:
    assert taken([4] * 5, 10, 7) == [[2, 6, 9, 5], [8, 4, 3, 7], [1, 0, 3, 7], [8, 2, 4, 1], [6, 0, 9, 5]]
    assert taken([4] * 3, 10, 7, shuffle=False)[2] == [8, 9, 0, 1]
    assert taken([4], 10, 8) != taken([4], 10, 7)


def test_more_prompts_than_there_are_fails() -> None:
    with pytest.raises(ValueError, match="8 prompts asked for, and there are 4"):
        take(Cursor(), 8, 4, seed=0, shuffle=True)


def test_a_cursor_holds_no_more_than_what_a_straddling_draw_moved() -> None:
    cursor = Cursor()
    for _ in range(100):
        _, cursor = take(cursor, 7, 50, seed=3, shuffle=True)
        assert len(cursor.moved) <= 2 * 7


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcde"), st.floats(0, 10), min_size=1).filter(lambda w: sum(w.values()) > 1e-3),
    st.integers(1, 64),
    st.integers(0, 10_000),
)
def test_a_draw_is_full_and_no_source_is_a_whole_prompt_off(weights: dict[str, float], number: int, draw: int) -> None:
    found = shares(weights, number, draw)
    assert sum(found.values()) == number
    for name, weight in weights.items():
        assert abs(found[name] - number * proportions(weights)[name]) < 1
        assert found[name] <= ceil(number * proportions(weights)[name])
        assert weight > 0 or found[name] == 0


def test_rounding_evens_out_over_draws() -> None:
    drawn = [shares({"math": 3, "code": 1}, 6, draw) for draw in range(100)]
    assert drawn[0] == {"math": 4, "code": 2} and drawn[1] == {"math": 5, "code": 1}
    for end in range(1, 101):
        assert abs(sum(each["code"] for each in drawn[:end]) - 1.5 * end) < 2


def test_sources_are_spread_over_a_step() -> None:
    assert interleaved({"a": 4, "b": 2, "c": 0}) == ["a", "b", "a", "a", "b", "a"]
    assert interleaved({"": 3}) == ["", "", ""]


def test_steps_of_epochs() -> None:
    assert [steps_per_epoch(count, 8) for count in (1, 8, 9, 700)] == [1, 1, 2, 88]
    assert [steps_for_epochs(e, 700, 8) for e in (0.001, 0.5, 1, 2)] == [1, 44, 88, 175]
