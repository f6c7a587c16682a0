"""When an output is the expected one."""

import pytest

from rewards.code.compare import difference


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("3\n", "3"), ("3", "3\n"), ("1  2 \n\n3", "1 2\n3\n"), ("a\r\nb\r\n", "a\nb\n"), ("", "\n"), ("NaN", "NaN")],
)
def test_equal(printed: str, expected: str) -> None:
    assert difference(printed, expected) is None


@pytest.mark.parametrize(
    ("printed", "expected", "words"),
    [
        ("3", "4", "line 1 is '3' instead of '4'"),
        ("3.0", "3", "line 1 is '3.0' instead of '3'"),
        ("1 2", "1 2\n3", "1 lines instead of 2"),
        ("1 2\n3\n4", "1 2\n3", "3 lines instead of 2"),
        ("1 2 3", "1 2\n3", "line 1 is '1 2 3' instead of '1 2'"),
        ("", "3", "0 lines instead of 1"),
        ("yes", "YES", "line 1 is 'yes' instead of 'YES'"),
    ],
)
def test_different(printed: str, expected: str, words: str) -> None:
    assert difference(printed, expected) == words


@pytest.mark.parametrize(
    ("printed", "expected", "equal"),
    [
        ("0.3333333", "0.333333333", True),
        ("1000000.5", "1000000.0", True),  # relative
        ("0.3334", "0.333333333", False),
        ("nan", "1", False),
        ("inf", "1e999", False),
        ("1e99999", "1", False),
        ("1 2", "1", False),
        ("x 0.50000001", "x 0.5", True),
        ("y 0.5", "x 0.5", False),
        ("0x10", "16", False),
    ],
)
def test_a_tolerance_is_for_decimal_numbers(printed: str, expected: str, equal: bool) -> None:
    assert (difference(printed, expected, 1e-6) is None) is equal
