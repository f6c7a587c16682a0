"""Numbers are exact, and decimals stand for what they were rounded from only where they have six places."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.math.numbers import read_number, same_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("-1,234.50", Fraction(-2469, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("3/4", Fraction(3, 4)),
        (r"-\frac{3}{4}", Fraction(-3, 4)),
        (r"2\frac{1}{2}", Fraction(5, 2)),
        ("-2 1/2", Fraction(-5, 2)),
        ("1.5e-3", Fraction(3, 2000)),
        (r"3\times10^{5}", 300_000),
        ("0,111", Fraction(111, 1000)),
        ("1,22", Fraction(61, 50)),
        ("(7)", 7),
    ],
)
def test_read(text: str, value: Fraction) -> None:
    number = read_number(text)
    assert number is not None and number.value == value


@pytest.mark.parametrize(
    "text", ["", "x", "1/0", r"\frac{1}{0}", "1,2,3", "12:30", "1e9999", "7" * 401, "--1", "1.2.3"]
)
def test_not_numbers(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0.333333", "1/3", True),
        ("0.33", "1/3", False),
        ("0.0833333333333333", "1/12", True),
        ("0.30000000000000004", "0.3", True),
        ("33.3", "100/3", False),
        ("0.000000001", "0.000000002", False),
        ("28%", "28", True),
        ("28%", "0.28", True),
        ("28%", "28%", True),
        ("4200%", "42", False),
        ("28", "28/100", False),
    ],
)
def test_same(one: str, other: str, same: bool) -> None:
    numbers = read_number(one), read_number(other)
    assert numbers[0] is not None and numbers[1] is not None
    assert same_number(numbers[0], numbers[1]) is same
    assert same_number(numbers[1], numbers[0]) is same


@given(st.integers(-(10**12), 10**12), st.integers(0, 8))
def test_every_decimal_reads_back_exactly(digits: int, places: int) -> None:
    value = Fraction(digits, 10**places)
    number = read_number(
        f"{'-' if digits < 0 else ''}{abs(digits) // 10**places}.{abs(digits) % 10**places:0{places or 1}d}"
    )
    assert number is not None and number.value == value
