"""Where the answer stands."""

import pytest

from rewards.math.extract import extract_answer, last_number
from rewards.math.prose import is_formula, stated


@pytest.mark.parametrize(
    ("completion", "answer", "how"),
    [
        (r"so \boxed{\frac{1}{2}} it is", r"\frac{1}{2}", "box"),
        (r"\boxed{41}. Wait, no. \boxed{42}", "42", "box"),
        (r"\boxed{1} then \boxed{\frac{1}{2}}", r"\frac{1}{2}", "box"),
        (r"\boxed{2} and \boxed{3}", "2, 3", "box"),
        (r"$\boxed{1}$ and $\boxed{2}$", "1, 2", "box"),
        (r"\boxed{2}, \boxed{2}", "2", "box"),
        (r"\boxed{15\frac{39}{40},} or \boxed{\frac{639}{40}}", r"15\frac{39}{40}, \frac{639}{40}", "box"),
        (r"<think>\boxed{1}</think> \boxed{2}", "2", "box"),
        (r"\fbox{7}", "7", "box"),
        (r"\boxed{5} then an open \boxed{6", "5", "box"),
        (r"\boxed{185\}", "185\\", "box"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}", "box"),
        ("<answer>1</answer><answer>2</answer>", "2", "answer tag"),
        ("<answer>1</answer> no, <answer>2</answer>", "2", "answer tag"),
        (r"<think>\boxed{41}</think> so <answer>42</answer>", "42", "answer tag"),
        ("<think>3</think><answer> **7** </answer>", "7", "answer tag"),
        ("<answer>The total is 7 apples.</answer>", "7", "answer tag"),
        (r"<answer>\boxed{9}</answer>", "9", "box"),
        (r"<answer>thus \boxed{42}</answer>", "42", "box"),
        ("48 + 24 = 72\n#### 72", "72", "####"),
        ("3 + 4\n#### 7", "7", "####"),
        ("A: 60", "60", "phrase"),
        ("2 and 3 make 5\nA: 5", "5", "phrase"),
        ("The answer is 18. Check: 2 * 9 works", "18", "phrase"),
        ("The answer is $x=3$, since 5 > 4.", "x=3", "phrase"),
        ("The answer is 12, since 3 × 4 = 12 and 5 is odd.", "12", "phrase"),
        ("Final answer: **15**", "15", "phrase"),
        ("**Answer**: 15", "15", "phrase"),
        ("## Final Answer\n\n15", "15", "phrase"),
        ("The final answer is 7.78. I hope it is correct.", "7.78", "phrase"),
        ("The answer is Monday.", "Monday", "phrase"),
        ("The answer is 5. What is the answer?", "5", "phrase"),
        ("The answer is not 41, it is 42", "42", "last number"),
        ("答案是5。", "5", "phrase"),
        ("答案应该是 5。", "5", "phrase"),
        ("最终答案：$\\frac{1}{2}$。", r"\frac{1}{2}", "phrase"),
        ("3 + 2\n答：5元", "5元", "phrase"),
        ("故选：B", "B", "phrase"),
        ("La réponse est 42.", "42", "phrase"),
        ("La respuesta es 42.", "42", "phrase"),
        ("Die Antwort lautet: 42", "42", "phrase"),
        ("pi/2", "pi/2", "whole text"),
        ("Thus $x <= 2$ is our answer.", "x <= 2", "last formula"),
        (r"thus $x = \frac{3}{4}$", r"x = \frac{3}{4}", "last formula"),
        ("Thus $x = 3$, for 2 apples.", "2", "last number"),
        ("So he has 12 apples", "12", "last number"),
        ("He has 1,234.50 dollars left.", "1,234.50", "last number"),
        ("计划的比例为13/28", "13/28", "last number"),
        ("因此，杰西的体重是192公斤。", "192", "last number"),
        ("how many $? just about 1$", "1", "last number"),
    ],
)
def test_answer(completion: str, answer: str, how: str) -> None:
    found = extract_answer(completion)
    assert found is not None
    assert (found.text, found.how) == (answer, how)


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "no idea",
        "I give up",
        r"<think>\boxed{42}</think> I give up",
        "<think>it is 42",
        "<think>" + "x" * 300_000 + r"\boxed{42}",
        r"\boxed{}",
        "<answer></answer>",
        "<answer> </answer> 7",
    ],
)
def test_no_answer(completion: str) -> None:
    assert extract_answer(completion) is None


def test_an_anchor_can_be_required() -> None:
    assert extract_answer("so 42", require_anchor=True) is None
    assert extract_answer("I considered 42 but it is wrong", require_anchor=True) is None
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
        ("a 1, b $2,500.50.", "$2,500.50"),
    ],
)
def test_last_number(text: str, number: str) -> None:
    found = last_number(text)
    assert found is not None and found.text == number


def test_no_number() -> None:
    assert last_number("none at all") is None


@pytest.mark.parametrize(
    ("text", "statement"),
    [("7 apples in all.", "7"), ("$x = 5$ and so on", "x = 5"), ("  ", ""), ("about $28$ percent", "28%")],
)
def test_what_a_sentence_states(text: str, statement: str) -> None:
    assert stated(text) == statement


def test_formulas_are_told_from_prose() -> None:
    assert is_formula(r"2\sqrt{3} + \text{cm}") and is_formula("sin(x)/2")
    assert not is_formula("two apples") and not is_formula("")
