"""The form of an answer."""

import time

import pytest

from rewards import FormatReward
from rewards.errors import RewardError
from rewards.pool import Pool, RewardSpec

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
        # What open-r1's and TRL's own format rewards pay for:
        (WHOLE + "\ntrailing text", 0.0),
        (WHOLE + "\n<answer>3</answer>", 0.0),
        ("<think>1</think><think>2</think><answer>3</answer>", 0.0),
        ("<think>1</think></think><answer>2</answer>", 0.0),
        ("<think>1 <answer>2</answer></think><answer>3</answer>", 0.0),
        ("<think>\u200b\u2060</think><answer>2</answer>", 0.0),  # characters without a shape are blank too
        ("<think>1</think><answer>\u200b</answer>", 0.0),
        ("<THINK>1</THINK><answer>2</answer>", 0.0),
        ("<think>1</think>\n\n\n<answer>\n2\n</answer>\n\n", 1.0),
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
    with pytest.raises(RewardError, match="is no regular expression: unterminated"):
        FormatReward(pattern="[")


@pytest.mark.parametrize(
    ("completion", "said"),
    [
        ("hm " + WHOLE, "text before <think>"),
        (WHOLE + "!", "text after </answer>"),
        ("<think>1</think> so <answer>2</answer>", "text between </think> and <answer>"),
        ("<answer>2</answer><think>1</think>", "<answer> is out of order"),
        ("<think></think><answer>2</answer>", "the reasoning is empty"),
        ("<think>1</think><answer> </answer>", "the answer is empty"),
        ("<think>1<think></think><answer>2</answer>", "<think> occurs 2 times"),
        (WHOLE, "has the form"),
    ],
)
def test_the_detail_says_what_is_wrong(completion: str, said: str) -> None:
    assert FormatReward().judge_one(completion, {}).detail == said


def test_a_second_opening_is_told_by_the_prompt() -> None:
    said = FormatReward().judge_one(WHOLE, {"prompt": "<think>"}).detail
    assert said == "<think> occurs 1 times though the prompt opened it"


def test_long_completions_cost_little() -> None:
    start = time.process_time()
    for text in ("<think>" * 200_000, "<think>" + "\u200b" * 1_000_000 + "</think><answer>", "<answer" * 200_000):
        assert FormatReward().judge_one(text, {}).score == 0.0
    assert time.process_time() - start < 3


def test_a_pattern_that_backtracks_forever_is_ended_by_the_workers_deadline() -> None:
    with Pool({"format": RewardSpec("format", {"pattern": "(a+)+b"}, seconds=0.3)}, 1) as pool:
        pool.submit(0, "format", "a" * 40 + "!", {})
        pool.submit(1, "format", "aab", {})
        results = pool.collect()
    assert [results[(i, "format")].status for i in range(2)] == ["timeout", "scored"]  # type: ignore[union-attr]
