"""Multiple choice: where the letter stands, and what names a choice."""

import time

import pytest

from rewards import ChoiceReward

ROW = {"choices": ["London", "Paris", "Rome"], "solution": "B"}


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        ("so the answer is (B).", 1.0),
        ("The correct answer is B", 1.0),
        ("Answer: **B**", 1.0),
        ("The answer is B because Rome is wrong", 1.0),
        ("The answer is B, not A.", 1.0),
        ("The answer is: B. Paris", 1.0),
        ("The correct answer is Paris.", 1.0),
        ("Let me see (A) and (C).\nThe best choice is option B", 1.0),
        ("ANSWER: b", 1.0),
        ("答案是B。", 1.0),
        ("因此，故选：B", 1.0),
        (r"\boxed{B}", 1.0),
        (r"\boxed{\text{(B)}}", 1.0),
        (r"\boxed{\mathbf{B}}", 1.0),
        (r"$\boxed{\textbf{(B)}\ Paris}$", 1.0),
        ("<answer>B</answer>", 1.0),
        ("<answer> (b) </answer>", 1.0),
        ("<answer>Paris</answer>", 1.0),
        ("<answer>paris.</answer>", 1.0),
        ("<answer>The answer is B</answer>", 1.0),
        (r"<answer>\boxed{B}</answer>", 1.0),
        ("B", 1.0),
        ("I weigh them all.\n\nB) Paris\n", 1.0),
        ("<think>A, clearly. The answer is A.</think> The answer is B.", 1.0),
        ("The answer is A. Wait, the answer is B.", 1.0),
        ("<answer>A</answer>", 0.0),
        ("<answer>A or B</answer>", 0.0),
        ("<answer>A, B</answer>", 0.0),
        ("<answer>(A) (B)</answer>", 0.0),
        ("<answer>B) Rome</answer>", 0.0),  # letter and text contradict each other
        ("<answer>D</answer>", 0.0),
        ("<answer></answer>", 0.0),
        ("The answer is B. Wait, the answer is A.", 0.0),
        ("A bird in the hand", 0.0),
        ("I think Paris or Rome.", 0.0),
        ("Both are good", 0.0),
        ("<think>the answer is B", 0.0),  # reasoning never closed
        ("", 0.0),
    ],
)
def test_completions(completion: str, score: float) -> None:
    verdict = ChoiceReward().judge_one(completion, ROW)
    assert (verdict.status, verdict.score) == ("scored", score), verdict.detail


def test_the_detail_says_what_was_read_and_by_which_rule() -> None:
    said = ChoiceReward().judge_one("<answer>Paris</answer>", ROW).detail
    assert said == "answer tag 'Paris': B (the text of a choice) against B"
    assert "it names A, B" in ChoiceReward().judge_one("<answer>(A) (B)</answer>", ROW).detail


def test_require_anchor() -> None:
    strict = ChoiceReward(require_anchor=True)
    assert strict.judge_one("B", ROW).score == 0.0 and strict.judge_one("Answer: B", ROW).score == 1.0


@pytest.mark.parametrize("reference", ["B", "b", "(B)", "B.", 1, 1.0, "Paris", "paris", "B) Paris"])
def test_references(reference: object) -> None:
    row = {**ROW, "solution": reference}
    assert ChoiceReward().check_reference(row) is None
    assert ChoiceReward().judge_one("<answer>B</answer>", row).score == 1.0
    assert ChoiceReward().judge_one("<answer>A</answer>", row).score == 0.0


def test_other_columns_and_counting_from_one() -> None:
    reward = ChoiceReward(reference="gold", choices="options", first=1)
    assert reward.judge_one("Paris", {"options": ROW["choices"], "gold": 2}).score == 1.0
    assert ChoiceReward().judge_one("<answer>C</answer>", {"answer": "C"}).score == 1.0  # letters alone, no texts
    assert ChoiceReward().judge_one("<answer>C</answer>", {"answer": 2}).score == 1.0


def test_texts_that_are_numbers_are_texts() -> None:
    row = {"choices": ["4", "2", "1"], "solution": "2"}  # the text of B, not choice number 2
    assert ChoiceReward().judge_one("<answer>2</answer>", row).score == 1.0
    assert ChoiceReward().judge_one("<answer>B</answer>", row).score == 1.0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "no column `solution` or `answer`"),
        ({**ROW, "solution": "E"}, "the reference is E, and the row has 3 choices"),
        ({**ROW, "solution": 3}, "choice number 3 (counted from 0) of 3 does not exist"),
        ({**ROW, "solution": "Oslo"}, "names no choice"),
        ({"choices": ["Paris", "paris"], "solution": "Paris"}, "names no choice"),
    ],
)
def test_references_that_cannot_be_read(row: dict[str, object], reason: str) -> None:
    assert reason in (ChoiceReward().check_reference(row) or "")
    assert ChoiceReward().judge_one("<answer>B</answer>", row).status == "bad_reference"


def test_long_completions_cost_little() -> None:
    start = time.process_time()
    for text in (
        r"\boxed{" * 100_000,
        "answer is " * 100_000,
        "(A" * 500_000,
        "<answer>" + "{" * 1_000_000 + "</answer>",
    ):
        assert ChoiceReward().judge_one(text, ROW).score == 0.0
    assert time.process_time() - start < 3
