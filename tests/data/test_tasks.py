"""Procedural tasks: right by construction, seeded, and train and test apart."""

import json
import re
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.data.tasks.arithmetic import arithmetic
from grpo.data.tasks.countdown import countdown
from grpo.data.tasks.draw import draw_problems, held_out
from grpo.data.tasks.solutions import in_words, work_out
from rewards.language import LanguageReward


def value_of(expression: str) -> int:
    assert re.fullmatch(r"[\d+\-*/() ]+", expression)
    return eval(expression)


def problem(row: dict) -> tuple:
    return (row["operation"], *sorted((row["a"], row["b"])))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(1, 5))
def test_no_problem_is_in_both_splits_whatever_the_seeds(one: int, other: int, level: int) -> None:
    train = {problem(row) for row in arithmetic(seed=one, split="train", count=100, level=level)}
    test = {problem(row) for row in arithmetic(seed=other, split="test", count=100, level=level)}
    assert not train & test
    puzzles = [
        {(*row["numbers"], row["target"]) for row in countdown(seed=seed, split=split, count=50, level=level)}
        for seed, split in ((one, "train"), (other, "test"))
    ]
    assert not puzzles[0] & puzzles[1]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_worked_solutions_are_right(x: int, y: int) -> None:
    assert work_out(x, "+", y)[1] == x + y
    assert work_out(max(x, y), "-", min(x, y))[1] == abs(x - y)
    assert work_out(x, "*", y % 10)[1] == x * (y % 10)
    for operation, a, b in (("+", x, y), ("-", max(x, y), min(x, y)), ("*", x, y % 10)):
        for step in work_out(a, operation, b)[0]:
            left, right = step.split("=")
            assert value_of(left) == int(right)


def test_solutions_as_on_paper() -> None:
    assert work_out(47, "+", 85) == (["7+5=12", "4+8+1=13"], 132)
    assert work_out(82, "-", 47) == (["12-7=5", "8-4-1=3"], 35)
    assert work_out(47, "*", 6) == (["7*6=42", "4*6+4=28"], 282)
    assert work_out(47, "+", 85, carry=False) == (["7+5=12", "4+8=12"], 122)
    assert work_out(103, "-", 4) == (["13-4=9", "10-0-1=9", "1-0-1=0"], 99)


def test_rows_are_exact_and_a_longer_set_begins_with_the_shorter() -> None:
    rows = arithmetic(seed=3, count=50, level=3, solutions=True)
    assert rows[:10] == arithmetic(seed=3, count=10, level=3, solutions=True)
    assert rows != arithmetic(seed=4, count=50, level=3, solutions=True)
    for row in rows:
        assert value_of(row["prompt"].removesuffix("=")) == int(row["solution"])
        assert row["completion"].endswith(f"</think>\n<answer>{row['solution']}</answer>")
    assert [row["prompt"] for row in rows[:3]] == PINNED


def test_problems_are_distinct_until_they_are_used_up() -> None:
    rows = arithmetic(count=1500, split="train", level=2)
    assert len({problem(row) for row in rows}) == 1500
    few = arithmetic(count=120, split="train", level=1)
    distinct = {problem(row) for row in few}
    assert len(distinct) < 55 and len({problem(row) for row in few[: len(distinct) - 8]}) == len(distinct) - 8


def test_error_rates_are_shares_of_wrong_answers_and_of_broken_forms() -> None:
    form = re.compile(r"<think>.*</think>\n<answer>(\d+)</answer>")
    rows = arithmetic(count=4000, level=3, solutions=True, error_rate=0.4, format_error_rate=0.25)
    wrong = sum(not row["completion"].removesuffix("</answer>").endswith(row["solution"]) for row in rows) / 4000
    broken = sum(form.fullmatch(row["completion"]) is None for row in rows) / 4000
    # An answer that ends in the right one (102 for 2) reads as right here: rare, well inside the margin.
    assert 0.37 < wrong < 0.43 and 0.22 < broken < 0.28
    guesses = sum("<think></think>" in row["completion"] for row in rows) / 4000
    assert 0.05 < guesses < 0.4


def test_steps_told_in_words() -> None:
    assert in_words(*work_out(47, "+", 85)) == "ones 7+5=12, tens 4+8+1=13, so 132"
    assert in_words(*work_out(47, "+", 85, carry=False)) == "ones 7+5=12, tens 4+8=12, so 122"
    assert in_words(*work_out(100000, "-", 1)) == (
        "ones 10-1=9, tens 10-0-1=9, hundreds 10-0-1=9, thousands 10-0-1=9, next 10-0-1=9, next 1-0-1=0, so 99999"
    )
    rows = arithmetic(seed=3, count=12, level=2, solutions=True, error_rate=0.4, format_error_rate=0.3, prose_rate=0.5)
    assert [rows[i]["completion"] for i in (0, 1, 4, 7, 10)] == TOLD


def test_without_prose_rows_are_those_of_before_the_option() -> None:
    rows = arithmetic(seed=3, count=500, level=3, solutions=True, error_rate=0.3, format_error_rate=0.2)
    assert sha256(json.dumps(rows).encode()).hexdigest() == ROWS_BEFORE_PROSE


@pytest.mark.parametrize("level", [2, 3, 5])
def test_prose_adds_words_and_changes_nothing_else(level: int) -> None:
    options: dict[str, Any] = {
        "count": 300,
        "level": level,
        "solutions": True,
        "error_rate": 0.4,
        "format_error_rate": 0.4,
    }
    for told, plain in zip(arithmetic(**options, prose_rate=1), arithmetic(**options), strict=True):
        symbols = re.sub(r"(ones|tens|hundreds|thousands|next) |, so \d+", "", told["completion"]).replace(", ", ",")
        assert {**told, "completion": symbols} == plain
        assert ("so " in told["completion"]) == ("=" in plain["completion"])


def test_prose_rate_is_a_share_of_the_steps_right_wrong_or_in_a_broken_form() -> None:
    options: dict[str, Any] = {
        "count": 2000,
        "level": 2,
        "solutions": True,
        "error_rate": 0.6,
        "format_error_rate": 0.5,
    }
    with_steps = [row for row in arithmetic(**options, prose_rate=0.3) if "=" in row["completion"]]
    parts: dict[tuple[bool, bool], list[bool]] = {}
    for row in with_steps:
        right = re.findall(r"\d+", row["completion"])[-1] == row["solution"]
        whole = re.fullmatch(r"<think>.*</think>\n<answer>\d+</answer>", row["completion"]) is not None
        parts.setdefault((right, whole), []).append("so " in row["completion"])
    assert len(parts) == 4
    for told in parts.values():
        assert len(told) > 100 and 0.2 < sum(told) / len(told) < 0.4


def test_the_language_reward_tells_prose_from_symbols() -> None:
    reward = LanguageReward(detector="script", minimum_words=3)
    for level in (2, 3, 5):
        for row in arithmetic(count=100, level=level, solutions=True, error_rate=0.3, prose_rate=0.5):
            assert reward.judge_one(row["completion"], row).score == float("so " in row["completion"])


@pytest.mark.parametrize("level", range(1, 6))
def test_countdown_is_solvable_with_each_number_once(level: int) -> None:
    for row in countdown(count=60, level=level, solutions=True):
        assert value_of(row["solution"]) == row["target"] and 1 <= row["target"] <= 999
        assert sorted(map(int, re.findall(r"\d+", row["solution"]))) == row["numbers"]
        for step in row["completion"].removeprefix("<think>").partition("</think>")[0].split(", "):
            left, right = step.split("=")
            assert value_of(left) == int(right)


def test_wrong_options_are_named() -> None:
    for options, message in [
        ({"operations": "+/"}, "operations are some of"),
        ({"digits": 0}, "digits is a number"),
        ({"digits": [3, 2]}, "digits is a number"),
        ({"level": 6}, "levels go from 1 to 5"),
        ({"prose_rate": 0.5}, "prose_rate speak of worked solutions: set solutions: true"),
        ({"prose_rate": -1, "solutions": True}, "prose_rate is a share between 0 and 1, got -1"),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            arithmetic(**options)
    with pytest.raises(ValueError, match="levels go from 1 to 5"):
        countdown(level=0)


def test_a_split_without_problems_is_said() -> None:
    split = "train" if held_out(7) else "test"
    with pytest.raises(ValueError, match=f"no problem of these options falls into the {split} split"):
        list(draw_problems(lambda random: 7, lambda p: (p,), task="t", split=split, seed=0, count=1))


PINNED = ["51+29=", "72+30=", "97-35="]
TOLD = [
    "<think>1+9=10,5+2+1=8</think>\n<answer>80</answer>",
    "<think></think>\n<answer>113</answer>",
    "<think>ones 0+5=5, tens 7+8=15, so 155</think>\n<answer>155</answer>",
    "130",
    "<think>ones 3+9=12, tens 2+9+1=12, so 122</think>\n122",
]
ROWS_BEFORE_PROSE = "ac655d5f4a61a17d2214771f04867f5cfb97de6775b94be2fad5d6a6634df1ed"
