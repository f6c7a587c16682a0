"""Where the answer stands."""

import pytest

from rewards.math.extract import extract_answer, last_number


@pytest.mark.parametrize(
    ("completion", "answer", "how"),
    [
        (r"so \boxed{\frac{1}{2}} it is", r"\frac{1}{2}", "box"),
        (r"\boxed{41}. Wait, no. \boxed{42}", "42", "box"),
        (r"\boxed{2} and \boxed{3}", "2, 3", "box"),
        (r"\boxed{2}, \boxed{2}", "2", "box"),
        (r"<think>\boxed{1}</think> \boxed{2}", "2", "box"),
        (r"\fbox{7}", "7", "box"),
        (r"\boxed{5} then an open \boxed{6", "5", "box"),
        ("<answer>1</answer><answer>2</answer>", "2", "answer tag"),
        ("<think>3</think><answer> **7** </answer>", "7", "answer tag"),
        ("<answer>The total is 7 apples.</answer>", "7", "answer tag"),
        (r"<answer>\boxed{9}</answer>", "9", "box"),
        ("48 + 24 = 72\n#### 72", "72", "####"),
        ("A: 60", "60", "phrase"),
        ("The answer is $x=3$, since 5 > 4.", "x=3", "phrase"),
        ("The answer is 12, since 3 × 4 = 12 and 5 is odd.", "12", "phrase"),
        ("Final answer: **15**", "15", "phrase"),
        ("The final answer is 7.78. I hope it is correct.", "7.78", "phrase"),
        ("The answer is Monday.", "Monday", "phrase"),
        ("答案是5。", "5", "phrase"),
        ("pi/2", "pi/2", "whole text"),
        ("Thus $x <= 2$ is our answer.", "x <= 2", "last formula"),
        ("Thus $x = 3$, for 2 apples.", "2", "last number"),
        ("He has 1,234.50 dollars left.", "1,234.50", "last number"),
        ("计划的比例为13/28", "13/28", "last number"),
        ("how many $? just about 1$", "1", "last number"),
    ],
)
def test_answer(completion: str, answer: str, how: str) -> None:
    found = extract_answer(completion)
    assert found is not None
    assert (found.text, found.how) == (answer, how)


@pytest.mark.parametrize(
    "completion",
    ["", "no idea", r"<think>\boxed{42}</think> I give up", "<think>it is 42", r"\boxed{}", "<answer> </answer> 7"],
)
def test_no_answer(completion: str) -> None:
    assert extract_answer(completion) is None


def test_an_anchor_can_be_required() -> None:
    assert extract_answer("so 42", require_anchor=True) is None
    assert extract_answer("<answer>42", require_anchor=True) is None
    found = extract_answer("<answer>42</answer>", require_anchor=True)
    assert found is not None and found.anchored


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("<think>3 + 4 = 7", "7"),
        ("it is 1,000,000 in all.", "1,000,000"),
        ("x_2 is unknown, y is -3", "-3"),
        ("about 12.5% of it", "12.5%"),
        (r"\frac{3}{4} of the cake", r"\frac{3}{4}"),
        ("costs $18.", "$18"),
    ],
)
def test_last_number(text: str, number: str) -> None:
    found = last_number(text)
    assert found is not None and found.text == number


def test_no_number() -> None:
    assert last_number("none at all") is None
