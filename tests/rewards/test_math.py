"""The math reward against cases worked by hand: where the answer stands, and when it is equal."""

import pytest

from rewards import MathReward
from rewards.errors import RewardError
from rewards.math.compare import decide
from rewards.math.extract import extract_answer, last_number


@pytest.mark.parametrize(
    ("completion", "text", "how"),
    [
        (r"<think>\boxed{41}</think> so <answer>42</answer>", "42", "answer tag"),
        (r"<answer>thus \boxed{42}</answer>", "42", "box"),
        ("<answer>1</answer> no, <answer>2</answer>", "2", "answer tag"),
        (r"\boxed{1} then \boxed{\frac{1}{2}}", r"\frac{1}{2}", "box"),
        (r"$\boxed{1}$ and $\boxed{2}$", "1, 2", "box"),
        ("3 + 4\n#### 7", "7", "####"),
        ("The answer is 18. Check: 2 * 9 works", "18", "phrase"),
        ("2 and 3 make 5\nA: 5", "5", "phrase"),
        ("So he has 12 apples", "12", "last number"),
        (r"thus $x = \frac{3}{4}$", r"x = \frac{3}{4}", "last formula"),
        ("因此，杰西的体重是192公斤。", "192", "last number"),
        ("计划的比例为13/28", "13/28", "last number"),
    ],
)
def test_where_the_answer_stands(completion: str, text: str, how: str) -> None:
    found = extract_answer(completion)
    assert found is not None
    assert (found.text, found.how) == (text, how)


@pytest.mark.parametrize(
    "completion", ["", "I give up", "<think> it is 42", "<answer></answer>", r"<think>\boxed{42}</think> I give up"]
)
def test_no_answer(completion: str) -> None:
    assert extract_answer(completion) is None


EQUAL = [
    ("42", "42.0"),
    ("1234", "1,234"),
    ("0.5", r"\frac12"),
    (r"\frac{1}{3}", "0.333333"),
    ("28", r"28\%"),
    ("0.28", "28%"),
    ("10", r"10\text{ units}"),
    ("5", "x = 5"),
    (r"\frac{x+2}{7}", r"\frac{x}{7}+\frac{2}{7}"),
    ("1,2,3", "3, 1, 2"),
    (r"\sqrt{8}", r"2\sqrt{2}"),
    (r"(-\infty,3]", r"x \in (-\infty, 3]"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}"),
    (r"\text{Evelyn}", "evelyn"),
    ("1.5", r"1\frac{1}{2}"),
]
DIFFERENT = [
    ("42", "4.2"),
    (r"\frac{1}{3}", "0.33"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
    (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"),
    (r"1-\frac{1}{e}", r"1+\frac{1}{e}"),
    ("4", r"4\sqrt{2}"),
    ("120_7", "120_8"),
    ("120_7", "120"),
    ("42", "41=42"),
    ("42", "4200%"),
    ("(1,2)", "(2,1)"),
    ("(1,2)", "[1,2]"),
    ("1,2", "1,2,3"),
    ("3x-y+13=0", "3x+4y+14=0"),
    ("x", "y"),
]


@pytest.mark.parametrize(("reference", "answer"), EQUAL)
def test_equal(reference: str, answer: str) -> None:
    assert decide(reference, answer)[0]


@pytest.mark.parametrize(("reference", "answer"), DIFFERENT)
def test_different(reference: str, answer: str) -> None:
    assert not decide(reference, answer)[0]


def test_anchor_required() -> None:
    reward = MathReward(require_anchor=True)
    row = {"solution": "12"}
    assert reward.judge_one("so he has 12 apples", row).score == 0.0
    assert reward.judge_one("so he has 12 apples", row).detail == "no answer at an anchor"
    assert reward.judge_one("<answer>12</answer>", row).score == 1.0


def test_last_number_is_blind_to_format() -> None:
    reward = MathReward(extract="last_number")
    assert reward.judge_one("<think> 3 times 4 makes 12 apples", {"answer": "12"}).score == 1.0
    assert reward.judge_one("<answer>12</answer> of 13", {"answer": "12"}).score == 0.0
    assert reward.judge_one("none", {"answer": "12"}).score == 0.0
    assert last_number("a 1, b $2,500.50.").text == "$2,500.50"  # type: ignore[union-attr]
    with pytest.raises(RewardError, match="contradicts"):
        MathReward(require_anchor=True, extract="last_number")


@pytest.mark.parametrize(
    ("row", "said"),
    [({}, "no column"), ({"solution": "  "}, "empty"), ({"solution": "a long text.\n" * 20}, "no answer in the ref")],
)
def test_bad_reference_is_not_a_wrong_answer(row: dict[str, str], said: str) -> None:
    verdict = MathReward().judge_one("42", row)
    assert (verdict.status, verdict.score, verdict.unjudged) == ("bad_reference", None, True)
    assert said in verdict.detail
    assert said in (MathReward().check_reference(row) or "")


@pytest.mark.parametrize("solution", ["7", 7, 7.0, "#### 7", "$7$", r"Three and four make \boxed{7}.", "3+4\n#### 7"])
def test_references_as_data_sets_write_them(solution: object) -> None:
    assert MathReward().check_reference({"solution": solution}) is None
    assert MathReward().judge_one("so 7", {"solution": solution}).score == 1.0


def test_trl_convention_with_messages_and_none() -> None:
    completions = [[{"role": "assistant", "content": "so 7"}], [{"role": "assistant", "content": "so 8"}]] * 2
    scores = MathReward()(prompts=["p"] * 4, completions=completions, solution=["7", "7", "", "8"])
    assert scores == [1.0, 0.0, None, 1.0]
