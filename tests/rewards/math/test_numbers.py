"""Numbers are exact, and decimals stand for what they were rounded from only where they have six places."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.math.bases import Based, read_based, value_of
from rewards.math.numbers import read_number, same_number
from rewards.math.units import read_unit, split_unit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("-1,234.50", Fraction(-2469, 2)),
        ("1 234 567", 1_234_567),
        ("1.234,5", Fraction(2469, 2)),
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
        (r"0.1\overline{6}", Fraction(1, 6)),
        (r"-.\overline{142857}", Fraction(-1, 7)),
    ],
)
def test_read(text: str, value: Fraction) -> None:
    number = read_number(text)
    assert number is not None and number.value == value


@pytest.mark.parametrize(
    "text",
    ["", "x", "1/0", r"\frac{1}{0}", "1,2", "1,2,3", "(1,22)", "12:30", "1e9999", "7" * 401, "--1", "1.2.3", "1 23"],
)
def test_not_numbers(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0.333333", "1/3", True),
        ("0.333333", "0.3333333333", True),
        ("0.333334", "0.3333333333", False),
        ("0.33", "1/3", False),
        ("0.0833333333333333", "1/12", True),
        ("0.30000000000000004", "0.3", True),
        ("33.3", "100/3", False),
        ("0.000000001", "0.000000002", False),
        ("28%", "28", True),
        ("28%", "0.28", True),
        ("28%", "28%", True),
        ("33.333333%", "1/3", True),
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


@pytest.mark.parametrize(
    ("text", "based"),
    [
        ("1011_2", Based("1011", 2)),
        (r"(0152a)_{11}", Based("152A", 11)),
        (r"-221_{\text{three}}", Based("-221", 3)),
        ("0.011_{2}", Based(".011", 2)),
        ("129_7", None),
        ("x_2", None),
        ("7_1", None),
    ],
)
def test_bases(text: str, based: Based | None) -> None:
    assert read_based(text) == based


def test_what_a_number_in_a_base_is_worth() -> None:
    assert [value_of(Based(digits, base)) for digits, base in [("1011", 2), ("-FF", 16), (".1", 2)]] == [11, -255, None]


@pytest.mark.parametrize(
    ("text", "rest", "unit"),
    [
        (r"25\text{ cm}^2", "25", "cm^2"),
        ("25 square feet", "25", "square feet"),
        (r"9\pi\text{ inches}", r"9\pi", "inches"),
        ("12 apples and pears", "12 apples and pears", ""),
        ("3cm", "3", "cm"),
        ("3ab", "3ab", ""),
        ("5元", "5", "元"),
        ("x", "x", ""),
        (r"x\text{ is even}", r"x\text{ is even}", ""),
    ],
)
def test_units_at_the_end(text: str, rest: str, unit: str) -> None:
    assert split_unit(text) == (rest, unit)


def test_what_units_are_worth() -> None:
    foot, inch = read_unit("square feet"), read_unit("in^2")
    assert foot is not None and inch is not None
    assert (foot.kind, foot.power, foot.worth / inch.worth) == ("length", 2, 144)
    assert read_unit("apples") is None
