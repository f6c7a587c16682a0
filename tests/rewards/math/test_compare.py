"""When an answer is the reference: the traps of other graders, decided. POLICY.md holds the decisions in words."""

import pytest

from rewards.math.compare import decide
from rewards.math.decision import Mode

EQUAL = [
    # numbers
    ("42", "42.0"),
    ("1234", "1,234"),
    ("10000", "10{,}000"),
    ("0.5", r"\frac12"),
    (r"\frac{1}{2}", "0.5"),
    (r"\frac{1}{2}", r"\frac{2}{4}"),
    (r"\tfrac83", r"\frac{8}{3}"),
    (r"\frac{1}{3}", "0.333333"),
    (r"\frac{1}{3}", r"0.\overline{3}"),
    ("1.5", r"1\frac{1}{2}"),
    ("½", "0.5"),
    ("42", "４２"),
    ("10000", r"10\,000"),
    ("3000000", "3 million"),
    ("50000", "5万"),
    ("185\\", "185"),
    # percent, money, degrees and units
    ("28", r"28\%"),
    ("0.28", "28%"),
    ("10", r"10\text{ units}"),
    ("25", r"25\text{ cm}^2"),
    (r"15\text{ m}^2", "15 m^2"),
    (r"36\pi", r"36\pi\text{ square inches}"),
    ("25", r"25^\circ"),
    ("5", "5元"),
    ("18.90", r"\$18.9"),
    ("1.5 hours", "90 minutes"),
    (r"3\text{ m}^2", r"30000\text{ cm}^2"),
    (r"\text{4:30 p.m.}", "4:30 PM"),
    # words and choices
    (r"\text{Evelyn}", "evelyn"),
    (r"\text{Evelyn}", "Evelyn."),
    (r"\text{(B)}", "B"),
    ("B", "(B) 42"),
    (r"\textbf{(B)}\ 42", "B"),
    (r"\textbf{(B)}\ 42", "42"),
    ("42", r"\textbf{(B)}\ 42"),
    (r"\text{12 students}", "12"),
    # formulas
    (r"\frac1{2^{99}}", "2^{-99}"),
    (r"4\sqrt{2}", r"4\sqrt(2)"),
    (r"\sqrt{8}", r"2\sqrt{2}"),
    (r"2\sqrt{3}", "2sqrt3"),
    (r"-1+e^{16}", "-1 + exp(16)"),
    (r"\frac{\pi}{2}", "pi/2"),
    (r"-2\pi", "-2*pi"),
    ("14-i", "14.0 + -1.0i"),
    (r"\sqrt{1/n}", r"1/\sqrt n"),
    (r"\frac{x+2}{7}", r"\frac{x}{7}+\frac{2}{7}"),
    (r"x^2+2x+1", "(x+1)^2"),
    ("x² + 1", "x^2+1"),
    (r"\tan^2(y)+1", r"\sec^2(y)"),
    (r"\sqrt{17}", "4.123105625617661"),
    (r"\frac12", r"\sin 30^\circ"),
    # lists, sets, tuples
    ("1,2,3", "3, 1, 2"),
    ("(0,1)", "0,1"),
    ("12,15", "15,12"),
    ("19, 46, and 82", r"19, 46, \text{ and } 82"),
    (r"\{1\pm\sqrt{5},-2\}", r"-2, 1+\sqrt5, 1-\sqrt5"),
    (r"\pm1\pm2", "3, -3, 1, -1"),
    (r"a\pm b\mp c", "a+b-c, a-b+c"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\pi/2)"),
    (r"\langle 1,2\rangle", "(1,2)"),
    ("5", "5, 5"),
    ("0.5", r"\frac12 \text{ or } 0.5"),
    (r"\text{A,C,F}", "F, A, C"),
    (r"\text{(a) } 3, \text{(b) } 4", "3, 4"),
    # relations
    ("5", "x = 5"),
    ("x=5", "5"),
    ("(p,q,r)=(3,2,7)", "(3,2,7)"),
    ("x=1,y=2", "y=2,x=1"),
    ("x=1,y=2", "(1,2)"),
    ("x_1=1,x_2=2", "2,1"),
    (r"\begin{cases}x=1\\y=2\end{cases}", "x=1, y=2"),
    ("p=5,q=2;p=7,q=2", "(5,2),(7,2)"),
    ("x<3", "3>x"),
    (r"1<x\leq 3", r"3\ge x>1"),
    ("2x+4y-3=0", "y = -1/2*x + 3/4"),
    ("3-x<0", "2x>6"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{\sqrt{3}}{3} \approx 0.577"),
    ("42", r"\sqrt{42^2} = 42"),
    ("z=1+1=2", "z=3+3=2"),
    # sets of reals, matrices, bases
    (r"x \in [-2,7]", "[-2,7]"),
    (r"(-\infty,3]", r"x \in (-\infty, 3]"),
    (r"(0,1)\cup(1,2)", r"(0,2)\setminus\{1\}"),
    (r"\mathbb{R}\setminus\{2\}", r"(2,\infty)\cup(-\infty,2)"),
    (r"\mathbb{R}", r"\text{all real numbers}"),
    (r"\emptyset", r"\varnothing"),
    (r"\emptyset", "no solution"),
    (r"-2\leq x\leq 7", r"x\in[-2,7]"),
    (r"\begin{pmatrix}1&\frac12\\0&1\end{pmatrix}", r"\begin{bmatrix} 1 & 0.5 \\ 0 & 1 \end{bmatrix}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}"),
    (r"\begin{pmatrix}4&6\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}+\begin{pmatrix}3&4\end{pmatrix}"),
    ("120_7", "120_{7}"),
    ("120_7", r"120_{\text{seven}}"),
    ("152A_{11}", "(152a)_{11}"),
]
UNEQUAL = [
    # numbers
    ("42", "4.2"),
    (r"\frac{1}{3}", "0.33"),
    ("33.3", r"\frac{100}{3}"),
    ("5", "500"),
    ("5", "0.05"),
    ("5", "5.0004"),
    ("3 million", "3"),
    ("100!", "100!+1"),
    ("2^{200}", "2^{200}+1"),
    (r"10^{50}+\sqrt2", r"10^{50}+\sqrt3"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
    (r"\frac1{2^{99}}", r"\frac1{2^{98}}"),
    (r"\frac{2^{2005}+1}{3\cdot 2^{2006}}", r"\frac{1}{3\cdot 2^{2006}}"),
    # percent and units
    ("42", "4200%"),
    (r"\frac{28}{100}", "28"),
    (r"10\text{ cm}", r"10\text{ m}"),
    (r"3\text{ m}^2", r"3\text{ m}"),
    ("6 a.m.", "6 p.m."),
    ("2 dozen", "2"),
    ("2 xy", "2"),
    # formulas
    (r"1-\frac{1}{e}", r"1+\frac{1}{e}"),
    (r"1-\frac1{\mathrm e}", r"1+\frac1{\mathrm e}"),
    ("4", r"4\sqrt{2}"),
    ("4", r"4\sqrt(2)"),
    ("x", "y"),
    ("x+1", "t+1"),
    ("|x|", "x"),
    (r"\sqrt{x^2+1}", "x+1"),
    # words and choices
    ("12:30", "12:31"),
    ("12:00", "1:00"),
    (r"\text{odd}", "even"),
    ("ABC", "CAB"),
    ("B", "(C) 42"),
    (r"\textbf{(B)}\ 42", "(B) 43"),
    ("E", r"\mathrm{E}*2"),
    # lists, sets, tuples
    (r"1,2,\ldots,n", r"1,3,5,\ldots,2n-1"),
    (r"1:2:3:\ldots", r"1:3:5:\ldots"),
    ("1331 and 1728", "1728"),
    ("1728", "1331, 1728"),
    ("5", r"5 \text{ or } 6"),
    ("1,2", "1,2,3"),
    ("(1,2,3)", r"\{3,2,1\}"),
    ("(1,2)", "(2,1)"),
    ("(1,2)", "[1,2]"),
    ("(1,2)", "1.2"),
    ("1,2", "1.2"),
    ("[0,1)", "(0,1)"),
    ("1", "-[0,1)"),
    (r"\pm 2021", "2021"),
    # relations
    ("42", "41=42"),
    ("42", r"41 \approx 42"),
    ("7=11a+c", "11a+c"),
    ("x^2+1=0", "x^2+1"),
    ("3x-y+13=0", "3x+4y+14=0"),
    ("3*x-1*y+13=0", "3x+4y+14=0"),
    ("x=3", "y=3"),
    ("x=5", "2x=10"),
    ("x<3", "2x<6"),
    ("5", "2x=10"),
    ("x=1,y=2", "2,1"),
    ("x=1,y=2", "x=2,y=1"),
    ("x<3", "x>3"),
    ("x<3", r"x\leq 3"),
    # sets of reals, matrices, bases
    ("(0,12.5)", "0<x<12.5"),
    (r"x\in[-2,7]", r"-2\leq x\leq 7"),
    (r"-2\leq x\leq 7", "(-2,7)"),
    (r"[1,2)\cup(2,3]", "[1,3]"),
    (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
    ("120_7", "120_8"),
    ("120_{7}", "120_{8}"),
    ("120_7", "120"),
    ("120", "120_7"),
    ("11", "1011_2"),
]


@pytest.mark.parametrize(("reference", "answer"), EQUAL)
def test_equal(reference: str, answer: str) -> None:
    assert decide(reference, answer)


@pytest.mark.parametrize(("reference", "answer"), UNEQUAL)
def test_unequal(reference: str, answer: str) -> None:
    assert not decide(reference, answer)


def test_every_reference_is_itself() -> None:
    assert [pair for pair in EQUAL + UNEQUAL for side in pair if not decide(side, side)] == []


LENIENT = [
    ("x+1", "t+1"),
    ("2x+3y", "3a+2b"),
    ("x=3", "y=3"),
    ("(1,2,3)", r"\{3,2,1\}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
    ("1011_2", "11"),
]
SET_RELATIONS = [
    ("(0,12.5)", "0<x<12.5"),
    (r"x\in[-2,7]", r"-2\leq x\leq 7"),
    (r"(-\infty,1)\cup(3,\infty)", r"x>3 \text{ or } x<1"),
    (r"(-\infty,2)\cup(2,\infty)", r"x\neq 2"),
    (r"(3,\infty)", "3<x"),
]


@pytest.mark.parametrize(("reference", "answer"), LENIENT)
def test_not_strict_compares_values(reference: str, answer: str) -> None:
    assert not decide(reference, answer)
    assert not decide(reference, answer, Mode(set_relations=True))
    assert decide(reference, answer, Mode(strict=False))


@pytest.mark.parametrize(("reference", "answer"), SET_RELATIONS)
def test_an_inequality_meets_an_interval_where_the_mode_says_so(reference: str, answer: str) -> None:
    assert not decide(reference, answer)
    assert decide(reference, answer, Mode(set_relations=True))
    assert decide(reference, answer, Mode(strict=False))


def test_not_strict_is_not_blind() -> None:
    for reference, answer in [("x^2+y", "x+y"), ("(1,2)", r"\{1,3\}"), ("1011_2", "12"), ("x=3", "y=4")]:
        assert not decide(reference, answer, Mode(strict=False, set_relations=True))
    assert not decide("(0,12.5)", r"0\leq x<12.5", Mode(set_relations=True))


@pytest.mark.parametrize(
    ("reference", "answer", "why"),
    [
        ("0.5", r"\frac12", "equal numbers"),
        ("5", "6", "different numbers"),
        (r"10\text{ cm}", r"10\text{ m}", "different amounts in cm and m"),
        (r"10\text{ cm}", r"10\text{ kg}", "different units: cm and kg"),
        ("B", "(C) 42", "choice B, not C"),
        ("(1,2)", "(1,3)", "part 2 of 2: different numbers"),
        ("[0,1)", "(0,1)", "brackets [), ()"),
        ("1,2", "1,2,3", "2 parts against 3"),
        ("1,2", "1,3", "part 2 of the reference is not in the answer"),
        ("x=5", "2x=10", "the reference is solved for its unknown, the answer is not"),
        ("x+1", "1+x", "equal by algebra"),
        ("x+1", "1-x", "different formulas"),
        ("x", "9^{9^{9^9}}", "the answer is more than 2 exponents on each other"),
        (r"\pi", "3.141593", "a decimal that is the value rounded"),
        (r"(0,1)\cup(1,2)", r"(0,2)\setminus\{1\}", "the same set of reals"),
    ],
)
def test_the_rule_that_decided_is_said(reference: str, answer: str, why: str) -> None:
    assert decide(reference, answer).why == why
