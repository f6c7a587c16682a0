r"""Numbers in another base: `1011_2`, `152A_{11}`, `(2112)_{\text{three}}`."""

import re
from dataclasses import dataclass

_BASED = re.compile(
    r"(?P<sign>-?)\(?(?:\\text\{)?(?P<digits>\d[\dA-Za-z]*(?:\.[\dA-Za-z]+)?)\}?\)?_"
    r"(?:\{?(?:\\text\{)?\s*(?P<base>\d{1,2}|[a-z]+)\s*\}?\}?)"
)
_WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
          "fourteen", "fifteen", "sixteen"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Based:
    """Sign and digits as written, in upper case and without leading zeros; base 2 to 36."""

    digits: str
    base: int


def read_based(text: str) -> Based | None:
    """The number with its base, or None where a text is anything else or has a digit that the base does not."""
    match = _BASED.fullmatch(text)
    if match is None or len(text) > 100:
        return None
    word = match["base"]
    base = int(word) if word.isdigit() else (_WORDS.index(word) + 2 if word in _WORDS else 0)
    digits = match["digits"].upper().lstrip("0") or "0"
    if not 2 <= base <= 36 or any(int(digit, 36) >= base for digit in digits if digit != "."):
        return None
    return Based(match["sign"] + digits, base)


def value_of(number: Based) -> int | None:
    """What an integer in another base is worth; None for one with a point."""
    return None if "." in number.digits else int(number.digits, number.base)
