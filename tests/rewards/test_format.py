"""The form of an answer."""

import pytest

from rewards import FormatReward
from rewards.errors import RewardError

WHOLE = "<think> 1 + 1 </think>\n<answer> 2 </answer>"


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        (WHOLE, 1.0),
        (WHOLE + "\n", 1.0),
        (WHOLE + " more", 0.0),
        ("hm " + WHOLE, 0.0),
        (WHOLE + WHOLE, 0.0),
        ("<think> </think><answer>2</answer>", 0.0),
        ("<think>1</think><answer></answer>", 0.0),
        ("<think>1</think> so <answer>2</answer>", 0.0),
        ("<answer>2</answer><think>1</think>", 0.0),
        ("1 + 1 </think><answer>2</answer>", 0.0),
        ("", 0.0),
    ],
)
def test_think_answer(completion: str, score: float) -> None:
    assert FormatReward().judge_one(completion, {"prompt": "What is 1 + 1?"}).score == score


def test_prompt_that_opens_the_reasoning() -> None:
    row = {"prompt": "What is 1 + 1? <think>\n"}
    assert FormatReward().judge_one("1 + 1 </think><answer>2</answer>", row).score == 1.0
    assert FormatReward().judge_one(WHOLE, row).score == 0.0
    assert FormatReward(prefilled=False).judge_one(WHOLE, row).score == 1.0


def test_other_styles() -> None:
    assert FormatReward("think").judge_one("<think>1</think> two", {}).score == 1.0
    assert FormatReward("think").judge_one("<think>1</think> ", {}).score == 0.0
    assert FormatReward("answer").judge_one("so <answer>2</answer>", {}).score == 1.0
    assert FormatReward("answer").judge_one("so <answer>2</answer>.", {}).score == 0.0
    assert FormatReward(pattern=r"\d+").judge_one("12", {}).score == 1.0
    assert FormatReward(pattern=r"\d+").judge_one("12.", {}).score == 0.0
    with pytest.raises(RewardError, match="no style 'tink'"):
        FormatReward("tink")
