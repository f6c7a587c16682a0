"""Countdown: what counts as a solution, and what never reaches an evaluator."""

import re
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import CountdownReward
from rewards.errors import RewardError
from rewards.expression import ExpressionError, evaluate

ROW = {"numbers": [3, 7, 25], "target": 29}


@pytest.mark.parametrize(
    ("answer", "score", "said"),
    [
        ("25 + 7 - 3", 1.0, "is 29, numbers used as asked"),
        ("(7-3)+25 = 29", 1.0, "is 29"),
        ("-3+7+25", 1.0, "is 29"),
        ("$25 + 7 - 3$", 1.0, "is 29"),
        (r"\boxed{25 + (7 - 3)}", 1.0, "is 29"),
        (r"25 + \left(7 − 3\right)", 1.0, "is 29"),
        ("25 + 4", 0.0, "4 is not among the numbers"),
        ("29", 0.0, "29 is not among the numbers"),
        ("25 + 7 - 3 - 3 + 3", 0.0, "more than 3 numbers"),
        ("25 + 7 - 7", 0.0, "7 is used 1 times more than given"),
        ("25 + 7", 0.0, "3 is not used"),
        ("25 - 7 + 3", 0.0, "its value is 21, the target 29"),
        ("25 + 7 - 3 = 30", 0.0, "it is said to be 30, the target is 29"),
        ("25 + 7 - 3 = 29 = 29", 0.0, "'=' is not allowed"),
        ("so 29", 0.0, "'s' is not allowed"),
        ("", 0.0, "no expression"),
    ],
)
def test_answers(answer: str, score: float, said: str) -> None:
    verdict = CountdownReward().judge_one(f"<think>25+7-3</think> <answer>{answer}</answer>", ROW)
    assert (verdict.status, verdict.score) == ("scored", score) and said in verdict.detail


def test_division_is_exact() -> None:
    row = {"nums": [1, 3, 8, 8], "target": 24}
    # In floats 8 / (3 - 8/3) is 23.999999999999989.
    assert (
        CountdownReward("subset").judge_one(r"<answer>8 / (3 - 8 \div 3)</answer>", {**row, "nums": [3, 3, 8, 8]}).score
        == 1.0
    )
    assert CountdownReward().judge_one(r"<answer>8/(3-8/1)</answer>", row).score == 0.0
    assert CountdownReward("subset").judge_one(r"<answer>\frac{8}{1} \cdot 3</answer>", row).score == 1.0
    assert (
        "division by zero" in CountdownReward().judge_one("<answer>8/(8-8)+1</answer>", {**row, "nums": [8] * 4}).detail
    )


def test_subset_needs_not_all_but_none_twice() -> None:
    subset = CountdownReward(use="subset")
    assert subset.judge_one("<answer>7 + 3</answer>", {"numbers": [3, 7, 25], "target": 10}).score == 1.0
    assert subset.judge_one("<answer>7 + 7</answer>", {"numbers": [3, 7, 25], "target": 14}).score == 0.0


def test_where_the_expression_stands() -> None:
    loose, strict = CountdownReward(), CountdownReward(require_anchor=True)
    assert loose.judge_one("<think>hm</think>\nSo it is\n25 + 7 - 3\n", ROW).score == 1.0
    assert strict.judge_one("<think>hm</think>\nSo it is\n25 + 7 - 3\n", ROW).score == 0.0
    assert strict.judge_one(r"<think>hm</think> \boxed{25 + 7 - 3}", ROW).score == 1.0
    assert strict.judge_one("<answer>25+7-3</answer> no: <answer>25-7+3</answer>", ROW).score == 0.0
    assert loose.judge_one("<think><answer>25+7-3</answer>", ROW).score == 0.0  # reasoning never closed


@pytest.mark.parametrize(
    "attack",
    [
        "19.36 + 0",  # a search for digits finds 19 and 36
        "((19**36)**(55**7))",  # froze TinyZero's grader
        "19^36",
        "19 36",
        "__import__('os').system('true')",
        "9" * 400,
        "(" * 200 + "1" + ")" * 200,
        "-" * 400 + "1",
        "1+" * 10_000 + "1",
        "１９+36",
        "19e3",
        "0x13",
        "19_36",
        "19,36",
        "19//36",
        "\ud800",
        "\0",
    ],
)  # fmt: skip
def test_attacks_are_no_expressions(attack: str) -> None:
    start = time.process_time()
    with pytest.raises(ExpressionError):
        evaluate(attack, 2)
    assert (
        CountdownReward().judge_one(f"<answer>{attack}</answer>", {"numbers": [19, 36, 55, 7], "target": 65}).score == 0
    )
    assert time.process_time() - start < 0.2


def test_long_completions_cost_little() -> None:
    start = time.process_time()
    for text in (r"\boxed{" * 100_000, "<answer>" * 100_000, "{" * 1_000_000, "1+" * 500_000):
        assert CountdownReward().judge_one(text, ROW).score == 0.0
    assert time.process_time() - start < 3


def _pair(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(smaller, st.sampled_from("+-*/"), smaller).map(lambda parts: f"({' '.join(parts)})")


@given(st.recursive(st.integers(0, 99).map(str), _pair, max_leaves=8))
def test_values_are_pythons_on_fractions(text: str) -> None:
    exact = re.sub(r"(\d+)", r"Fraction(\1)", text)
    try:
        expected = eval(exact, {"Fraction": Fraction})  # of an expression made by this test
    except ZeroDivisionError:
        with pytest.raises(ExpressionError, match="division by zero"):
            evaluate(text, 8)
        return
    assert evaluate(text, 8) == (expected, [int(number) for number in re.findall(r"\d+", text)])


def test_our_own_task_is_solved_by_its_own_solutions() -> None:
    from grpo.data.tasks.countdown import countdown

    for level in range(1, 6):
        for row in countdown(level=level, count=40, solutions=True):
            verdict = CountdownReward(require_anchor=True).judge_one(row["completion"], row)
            assert verdict.score == 1.0, verdict.detail
            assert CountdownReward().judge_one(row["solution"], row).score == 1.0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"target": 3}, "needs the columns"),
        ({"numbers": [1], "target": None}, "needs the columns"),
        ({"numbers": "1, 2", "target": 3}, "a list of whole numbers"),
        ({"numbers": [1, 2.5], "target": 3}, "are whole numbers"),
        ({"numbers": [], "target": 3}, "are whole numbers"),
        ({"numbers": [True], "target": 1}, "are whole numbers"),
    ],
)
def test_references_that_cannot_be_read(row: dict[str, object], reason: str) -> None:
    assert reason in (CountdownReward().check_reference(row) or "")
    assert CountdownReward().judge_one("<answer>1+2</answer>", row).status == "bad_reference"


def test_numbers_as_data_files_have_them() -> None:
    for numbers, target in (([1.0, 2.0], 3.0), (["1", "2"], "3"), ((1, 2), 3)):
        assert CountdownReward().check_reference({"numbers": numbers, "target": target}) is None
        assert CountdownReward().judge_one("1+2", {"numbers": numbers, "target": target}).score == 1.0


def test_mistakes() -> None:
    with pytest.raises(RewardError, match="`all` or `subset`"):
        CountdownReward(use="some")
