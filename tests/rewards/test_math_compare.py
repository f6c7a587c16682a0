"""When an answer is the reference: the traps of other graders, decided."""

import pytest

from rewards import MathReward
from rewards.math.compare import decide

EQUAL = [
    (r"\frac{1}{2}", "0.5"),
    (r"\tfrac83", r"\frac{8}{3}"),
    (r"\frac1{2^{99}}", "2^{-99}"),
    (r"4\sqrt{2}", r"4\sqrt(2)"),
    ("120_7", "120_{7}"),
    (r"-1+e^{16}", "-1 + exp(16)"),
    (r"-2\pi", "-2*pi"),
    ("14-i", "14.0 + -1.0i"),
    (r"\sqrt{1/n}", r"1/\sqrt n"),
    (r"x^2+2x+1", "(x+1)^2"),
    (r"\tan^2(y)+1", r"\sec^2(y)"),
    (r"\sqrt{17}", "4.123105625617661"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{\sqrt{3}}{3} \approx 0.577"),
    ("(0,1)", "0,1"),
    (r"\{1\pm\sqrt{5},-2\}", r"-2, 1+\sqrt5, 1-\sqrt5"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\pi/2)"),
    ("x=5", "5"),
    ("(p,q,r)=(3,2,7)", "(3,2,7)"),
    (r"x \in [-2,7]", "[-2,7]"),
    ("p=5,q=2;p=7,q=2", "(5,2),(7,2)"),
    ("x<3", "3>x"),
    (r"1<x\leq 3", r"3\ge x>1"),
    ("2x+4y-3=0", "y = -1/2*x + 3/4"),
    ("3-x<0", "2x>6"),
    (r"\begin{pmatrix}1&\frac12\\0&1\end{pmatrix}", r"\begin{bmatrix} 1 & 0.5 \\ 0 & 1 \end{bmatrix}"),
    (r"\text{Evelyn}", "Evelyn."),
    (r"\text{(B)}", "B"),
    ("25", r"25\text{ cm}^2"),
    ("25", r"25^\circ"),
    ("5", "5元"),
    ("18.90", r"\$18.9"),
    (r"\emptyset", r"\varnothing"),
    ("42", r"\sqrt{42^2} = 42"),
]
UNEQUAL = [
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
    (r"\frac1{2^{99}}", r"\frac1{2^{98}}"),
    (r"\frac{2^{2005}+1}{3\cdot 2^{2006}}", r"\frac{1}{3\cdot 2^{2006}}"),
    (r"1-\frac1{\mathrm e}", r"1+\frac1{\mathrm e}"),
    ("4", r"4\sqrt(2)"),
    (r"1,2,\ldots,n", r"1,3,5,\ldots,2n-1"),
    ("120_{7}", "120_{8}"),
    ("120", "120_7"),
    ("42", "41=42"),
    ("42", r"41 \approx 42"),
    ("3x-y+13=0", "3x+4y+14=0"),
    ("x+1", "t+1"),
    ("x=3", "y=3"),
    ("|x|", "x"),
    (r"\sqrt{x^2+1}", "x+1"),
    ("1331 and 1728", "1728"),
    ("1728", "1331, 1728"),
    ("(1,2,3)", r"\{3,2,1\}"),
    ("(1,2)", "(2,1)"),
    ("[0,1)", "(0,1)"),
    ("x<3", "x>3"),
    ("x<3", r"x\leq 3"),
    ("12:30", "12:31"),
    (r"\text{odd}", "even"),
    (r"\frac{28}{100}", "28"),
    ("7=11a+c", "11a+c"),
    (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
]


@pytest.mark.parametrize(("reference", "answer"), EQUAL)
def test_equal(reference: str, answer: str) -> None:
    assert decide(reference, answer)[0]


@pytest.mark.parametrize(("reference", "answer"), UNEQUAL)
def test_unequal(reference: str, answer: str) -> None:
    assert not decide(reference, answer)[0]


def test_the_detail_says_what_was_compared_and_which_rule_decided() -> None:
    verdict = MathReward().judge_one(r"so \boxed{\frac12}", {"solution": "0.5"})
    assert verdict.detail == r"box '\\frac12' against '0.5': equal numbers"


@pytest.mark.parametrize(
    ("solution", "completion", "score"),
    [
        ("72", "#### 72", 1.0),
        ("He sold 48/2 = 24 clips.\n#### 72", "72", 1.0),
        (r"Adding, we get $1+1=\boxed{2}$.", "2", 1.0),
        (7, r"\boxed{7}", 1.0),
        (7.0, r"\boxed{7}", 1.0),
        (0.25, r"\boxed{\frac14}", 1.0),
        ("$10$", r"\( (9+1) \)", 1.0),
        ("7", "<answer>8</answer> 7", 0.0),
    ],
)
def test_references_come_in_many_forms(solution: object, completion: str, score: float) -> None:
    assert MathReward().judge_one(completion, {"solution": solution}).score == score


@pytest.mark.parametrize("row", [{}, {"solution": ""}, {"solution": "  "}, {"answer": None}])
def test_an_unreadable_reference_is_not_a_wrong_answer(row: dict) -> None:
    assert MathReward().judge_one("42", row).status == "bad_reference"
    assert MathReward().check_reference(row)


def test_strict_and_lenient_accuracy_are_two_rewards() -> None:
    rows = {"completions": ["it must be 7", "<answer>7</answer>", "<think>7"], "answer": ["7", "7", "7"]}
    assert MathReward(require_anchor=True)(**rows) == [0.0, 1.0, 0.0]
    assert MathReward(extract="last_number")(**rows) == [1.0, 1.0, 1.0]
    assert MathReward()(**rows) == [1.0, 1.0, 0.0]
