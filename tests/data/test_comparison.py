"""`task:comparison`: the right letter by construction, judged by the `choice` reward."""

import re
from string import ascii_uppercase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.data.tasks import make_rows
from grpo.data.tasks.comparison import comparison
from grpo.errors import UserError
from grpo.models.characters import CHARACTERS
from rewards.choice import ChoiceReward


def numbers(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(sorted(map(int, row["choices"])))


def test_rows_are_exact_and_a_longer_set_begins_with_the_shorter() -> None:
    rows = [row for level in (1, 2, 3) for row in comparison(seed=5, count=2, level=level, solutions=True)]
    assert rows == PINNED
    options: dict[str, Any] = {"seed": 3, "level": 3, "solutions": True, "error_rate": 0.5, "format_error_rate": 0.5}
    assert comparison(**options, count=50)[:10] == comparison(**options, count=10)
    assert comparison(**options, count=10) != comparison(**{**options, "seed": 4}, count=10)
    assert make_rows("task:comparison", {"count": 2}, split="train", seed=5, where="data") == comparison(
        seed=5, count=2
    )


@pytest.mark.parametrize(
    ("level", "amount", "asked", "lengths"),
    [(1, 2, {"largest"}, {2}), (2, 3, {"largest", "smallest"}, {2}), (3, 4, {"largest", "smallest"}, {2, 3})],
)
def test_the_solution_is_right_at_every_level(level: int, amount: int, asked: set[str], lengths: set[int]) -> None:
    rows = comparison(count=300, level=level)
    for row in rows:
        wanted = {"largest": max, "smallest": min}[row["prompt"].partition("?")[0]](map(int, row["choices"]))
        assert row["choices"][ascii_uppercase.index(row["solution"])] == str(wanted)
        assert re.findall(r"([A-D]) (\d+)", row["prompt"]) == list(zip("ABCD", row["choices"], strict=False))
        assert len(set(row["choices"])) == amount and set(row["prompt"]) <= set(CHARACTERS)
    assert {row["prompt"].partition("?")[0] for row in rows} == asked
    assert {len(choice) for row in rows for choice in row["choices"]} == lengths
    assert {row["solution"] for row in rows} == set(ascii_uppercase[:amount])
    assert len(set(map(numbers, rows))) == 300


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(1, 3))
def test_no_problem_is_in_both_splits_whatever_the_seeds(one: int, other: int, level: int) -> None:
    train = set(map(numbers, comparison(seed=one, split="train", count=200, level=level)))
    test = set(map(numbers, comparison(seed=other, split="test", count=200, level=level)))
    assert not train & test


@pytest.mark.parametrize("level", [1, 2, 3])
def test_error_rates_are_shares_of_other_letters_and_of_bare_ones(level: int) -> None:
    rows = comparison(count=2000, level=level, solutions=True, error_rate=0.4, format_error_rate=0.25)
    wrong = bare = both = 0
    for row in rows:
        form = re.fullmatch(r"(<answer>)?([A-D])(?(1)</answer>)", row["completion"])
        assert form is not None and form[2] in ascii_uppercase[: len(row["choices"])]
        tag, letter = form.groups()
        assert ChoiceReward().judge_one(row["completion"], row).score == float(letter == row["solution"])
        wrong, bare = wrong + (letter != row["solution"]), bare + (tag is None)
        both += letter != row["solution"] and tag is None
    assert 0.36 < wrong / 2000 < 0.44 and 0.21 < bare / 2000 < 0.29 and 0.07 < both / 2000 < 0.13


def test_without_rates_completions_are_right_and_problems_do_not_depend_on_them() -> None:
    rows = comparison(count=200, level=3, solutions=True)
    assert all(row["completion"] == f"<answer>{row['solution']}</answer>" for row in rows)
    imperfect = comparison(count=200, level=3, solutions=True, error_rate=1, format_error_rate=1)
    for row in (*rows, *imperfect):
        del row["completion"]
    assert rows == imperfect == comparison(count=200, level=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 4}, "task:comparison: levels go from 1 to 3, got 4"),
        ({"error_rate": 0.1}, "speak of completions: set solutions: true"),
        ({"format_error_rate": 0.1}, "speak of completions: set solutions: true"),
        ({"solutions": True, "error_rate": 2}, "error_rate is a share between 0 and 1, got 2"),
        ({"solutions": True, "format_error_rate": -1}, "format_error_rate is a share between 0 and 1, got -1"),
        ({"digits": 3}, "task:comparison has no option 'digits'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        make_rows("task:comparison", options, split="train", seed=0, where="data")


def pinned(prompt: str, solution: str, *choices: str) -> dict[str, Any]:
    completion = f"<answer>{solution}</answer>"
    level = len(choices) - 1
    return {"prompt": prompt, "solution": solution, "choices": [*choices], "level": level, "completion": completion}


PINNED = [
    pinned("largest? A 21 B 99\n", "B", "21", "99"),
    pinned("largest? A 26 B 44\n", "B", "26", "44"),
    pinned("smallest? A 89 B 99 C 10\n", "C", "89", "99", "10"),
    pinned("smallest? A 26 B 44 C 89\n", "A", "26", "44", "89"),
    pinned("smallest? A 650 B 707 C 506 D 95\n", "D", "650", "707", "506", "95"),
    pinned("smallest? A 232 B 44 C 736 D 14\n", "D", "232", "44", "736", "14"),
]
