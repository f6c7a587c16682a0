"""Formulas by algebra: exact where numbers are rational, never evaluated where they are too large."""

from fractions import Fraction

import pytest

from rewards.math.caps import over_cap
from rewards.math.decision import Mode
from rewards.math.latex import parse
from rewards.math.symbolic import constant, same_expression, same_relation

EQUAL = [
    (r"\frac{x^2-1}{x-1}", "x+1"),
    (r"\sin 2x", r"2\sin x\cos x"),
    (r"\sqrt{5+2\sqrt{6}}", r"\sqrt{2}+\sqrt{3}"),
    (r"\tan\frac{\pi}{8}", r"\sqrt{2}-1"),
    ("i^{2}", "-1"),
    (r"\frac{1}{1+i}", r"\frac{1-i}{2}"),
    (r"e^{i\pi}", "-1"),
    (r"\sqrt[3]{-8}", "-2"),
    (r"\ln e^{2}", "2"),
    (r"\log_{2} 8", "3"),
    (r"\sum_{k=1}^{n} k", r"\frac{n(n+1)}{2}"),
    (r"\int_0^1 x dx", r"\frac{1}{2}"),
    ("n!", "n(n-1)!"),
    (r"\binom{10}{3}", "120"),
    (r"\frac{100!}{98!}", "9900"),
    (r"a_{1}+a_{2}", "a_{2}+a_{1}"),
]
UNEQUAL = [
    ("x", "x^{2}"),
    (r"\sqrt{x^{2}+1}", "x+1"),
    ("1+10^{-40}", "1"),
    (r"\sqrt{2}+10^{-45}", r"\sqrt{2}"),
    ("a_{1}", "a_{2}"),
    (r"\ln 2", r"\log 2"),
    ("x", r"\text{x is}"),
    (r"\frac{1}{0}", r"\frac{2}{0}"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal(one: str, other: str) -> None:
    assert same_expression(one, other, Mode()) and same_expression(other, one, Mode())


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_unequal(one: str, other: str) -> None:
    assert not same_expression(one, other, Mode()) and not same_expression(other, one, Mode())


def test_variables_may_be_renamed_where_not_strict() -> None:
    assert not same_expression("2a+b", "x+2y", Mode())
    assert same_expression("2a+b", "x+2y", Mode(strict=False))
    assert not same_expression("2a+b", "x+3y", Mode(strict=False))


def test_constants() -> None:
    assert constant(r"\frac{3}{4}") == Fraction(3, 4)
    value = constant(r"\sqrt{2}")
    assert value is not None and abs(value**2 - 2) < Fraction(1, 10**40)
    assert constant("x") is None and constant("i") is None


@pytest.mark.parametrize(
    ("reference", "answer", "same"),
    [
        (("2x", "=", "4"), ("x", "=", "2"), True),
        (("x", "<", "y"), ("y", ">", "x"), True),
        (("3-x", "<", "0"), ("2x", ">", "6"), True),
        (("3-x", "<", "0"), ("2x", "<", "6"), False),
        (("x^{2}", "=", "1"), ("x", "=", "1"), False),
        (("x", "=", "x"), ("y", "=", "y"), False),
    ],
)
def test_relations(reference: tuple[str, str, str], answer: tuple[str, str, str], same: bool) -> None:
    assert same_relation(reference, answer) is same


@pytest.mark.parametrize(
    ("formula", "cap"),
    [
        ("x" * 601, "longer"),
        ("(" * 25 + "x" + ")" * 25, "nested"),
        ("7" * 101, "digits"),
        ("2^{5001}", "exponent"),
        ("9^{9^{9^{9}}}", "exponents on each other"),
        ("3001!", "factorial"),
        ("5!!", "factorial"),
        (r"\sum_{k=1}^{1001} k", "sum"),
        (r"\begin{pmatrix}a&b\\c&d\end{pmatrix}^{5}", "power of a matrix"),
    ],
)
def test_caps_are_said(formula: str, cap: str) -> None:
    said = over_cap(formula)
    assert said is not None and cap in said
    assert parse(formula) is None


def test_sizes_are_bounded_after_parsing_too() -> None:
    assert parse(r"\left(9^{999}\right)^{999}") is None
    assert parse(r"\frac{1}{2004!}") is not None
