"""The reward around the grader: references as data sets write them, anchors, verdicts."""

import pytest

from rewards import MathReward
from rewards.errors import RewardError


def test_the_detail_says_what_was_compared_and_which_rule_decided() -> None:
    verdict = MathReward().judge_one(r"so \boxed{\frac12}", {"solution": "0.5"})
    assert verdict.detail == r"box '\\frac12' against '0.5': equal numbers"
    verdict = MathReward().judge_one("so 7", {"answer": "#### 8"})
    assert verdict.detail == "last number '7' against '8': different numbers"


@pytest.mark.parametrize(
    ("solution", "completion", "score"),
    [
        ("72", "#### 72", 1.0),
        ("#### 7", "so 7", 1.0),
        ("$7$", "so 7", 1.0),
        ("3+4\n#### 7", "so 7", 1.0),
        ("He sold 48/2 = 24 clips.\n#### 72", "72", 1.0),
        (r"Adding, we get $1+1=\boxed{2}$.", "2", 1.0),
        (7, r"\boxed{7}", 1.0),
        (7.0, r"\boxed{7}", 1.0),
        (0.25, r"\boxed{\frac14}", 1.0),
        ("$10$", r"\( (9+1) \)", 1.0),
        (r"\frac{1}{2}", r"\boxed{0.5}", 1.0),
        ("7", "<answer>8</answer> 7", 0.0),
        ("0", "<answer>0</answer>", 1.0),
        (0, "<answer>0</answer>", 1.0),
    ],
)
def test_references_come_in_many_forms(solution: object, completion: str, score: float) -> None:
    assert MathReward().check_reference({"solution": solution}) is None
    assert MathReward().judge_one(completion, {"solution": solution}).score == score


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "no column"),
        ({"answer": None}, "no column"),
        ({"solution": ""}, "empty"),
        ({"solution": "  "}, "empty"),
        ({"solution": "a long text.\n" * 20}, "no answer in the ref"),
        ({"solution": "x+" * 1500 + "x"}, "longer than"),
    ],
)
def test_bad_reference_is_not_a_wrong_answer(row: dict[str, str], said: str) -> None:
    verdict = MathReward().judge_one("42", row)
    assert (verdict.status, verdict.score, verdict.unjudged) == ("bad_reference", None, True)
    assert said in verdict.detail
    assert said in (MathReward().check_reference(row) or "")


def test_the_reference_may_stand_in_another_column() -> None:
    assert MathReward(reference="gold").judge_one("7", {"gold": "7", "answer": "8"}).score == 1.0
    assert MathReward(reference="gold").judge_one("7", {"answer": "8"}).status == "bad_reference"


def test_anchor_required() -> None:
    reward = MathReward(require_anchor=True)
    row = {"solution": "12"}
    assert reward.judge_one("so he has 12 apples", row).score == 0.0
    assert reward.judge_one("so he has 12 apples", row).detail == "no answer at an anchor"
    assert reward.judge_one("<answer>12</answer>", row).score == 1.0


def test_strict_and_lenient_accuracy_are_two_rewards() -> None:
    rows = {"completions": ["it must be 7", "<answer>7</answer>", "<think>7"], "answer": ["7", "7", "7"]}
    assert MathReward(require_anchor=True)(**rows) == [0.0, 1.0, 0.0]
    assert MathReward(extract="last_number")(**rows) == [1.0, 1.0, 1.0]
    assert MathReward()(**rows) == [1.0, 1.0, 0.0]


def test_last_number_is_blind_to_format() -> None:
    reward = MathReward(extract="last_number")
    assert reward.judge_one("<think> 3 times 4 makes 12 apples", {"answer": "12"}).score == 1.0
    assert reward.judge_one("<answer>12</answer> of 13", {"answer": "12"}).score == 0.0
    assert reward.judge_one("none", {"answer": "12"}).score == 0.0


def test_parameters_that_contradict_each_other() -> None:
    with pytest.raises(RewardError, match="contradicts"):
        MathReward(require_anchor=True, extract="last_number")
    with pytest.raises(RewardError, match="extract"):
        MathReward(extract="first")


def test_modes_of_comparison() -> None:
    row = {"solution": "(2,\\infty)"}
    assert MathReward().judge_one(r"\boxed{x>2}", row).score == 0.0
    assert MathReward(set_relations=True).judge_one(r"\boxed{x>2}", row).score == 1.0
    assert MathReward(strict=False).judge_one(r"\boxed{t+1}", {"solution": "x+1"}).score == 1.0


def test_trl_convention_with_messages_and_none() -> None:
    completions = [[{"role": "assistant", "content": "so 7"}], [{"role": "assistant", "content": "so 8"}]] * 2
    scores = MathReward()(prompts=["p"] * 4, completions=completions, solution=["7", "7", "", "8"])
    assert scores == [1.0, 0.0, None, 1.0]
