r"""Numbers as written in answers, read exactly: `1,234.50`, `3/4`, `-\frac{3}{4}`, `1\frac12`, `1.5e-3`, `12%`.

A number is a Fraction and the number of decimals it was written with. Rounding policy (`same_number`): a number stands
for its exact value; a decimal of six or more places also stands for every value that rounds to it at its last place
(at the twelfth, where it has more), so 0.333333 is 1/3 and 0.33 is not. A percent sign is a unit where the other number
has none or has one too (28% is 28), and a hundredth where the other is a fraction of size at most 1 (28% is 0.28).
"""

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_DIGITS = 400
FEWEST_PLACES, MOST_PLACES = 6, 12  # at which a decimal may stand for what it was rounded from

_PLAIN = re.compile(
    r"(?P<sign>[-+]?)(?:(?P<whole>\d+)(?:\.(?P<decimals>\d*))?|\.(?P<only>\d+))(?:(?:e|E)(?P<exponent>[-+]?\d{1,3}))?"
)
_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_COMMA_DECIMAL = re.compile(r"[-+]?\d+,\d{1,2}|[-+]?0,\d+")
_FRACTION = re.compile(r"(?P<sign>[-+]?)\\frac\{(?P<top>[-+]?[\d.]+)\}\{(?P<bottom>[-+]?[\d.]+)\}")
_SLASH = re.compile(r"(?P<top>[-+]?[\d.]+)/(?P<bottom>[\d.]+)|(?P<sign>[-+]?)\((?P<intop>[-+]?\d+)/(?P<inbottom>\d+)\)")
_MIXED = re.compile(r"(?P<sign>[-+]?)(?P<whole>\d+)\s*\\frac\{(?P<top>\d+)\}\{(?P<bottom>\d+)\}")
_MIXED_PLAIN = re.compile(r"(?P<sign>[-+]?)(?P<whole>\d+)\s+(?P<top>\d+)/(?P<bottom>\d+)")
_SCIENTIFIC = re.compile(
    r"(?P<mantissa>[-+]?[\d.]+)\s*(?:\\times|\\cdot|\*|×)\s*10\^(?:\{(?P<braced>[-+]?\d{1,3})\}|(?P<bare>\d))"
)


@dataclass(frozen=True, slots=True)
class Number:
    """value: exact; places: decimals it was written with; percent: written with a percent sign."""

    value: Fraction
    places: int = 0
    percent: bool = False


def read_number(text: str) -> Number | None:
    """The number that a text is, or None where it is anything else (or has more than MAX_DIGITS characters)."""
    if len(text) > MAX_DIGITS:
        return None
    text = text.strip().replace("−", "-")
    if text.endswith("%"):
        number = read_number(text[:-1].rstrip("\\ "))
        return Number(number.value, number.places, True) if number else None
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1].strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    elif _COMMA_DECIMAL.fullmatch(text):
        text = text.replace(",", ".")
    return _plain(text) or _fraction(text) or _mixed(text) or _scientific(text)


def _plain(text: str) -> Number | None:
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    decimals = match["decimals"] or match["only"] or ""
    exponent = int(match["exponent"] or 0)
    digits = int((match["whole"] or "") + decimals)
    value = Fraction(-digits if match["sign"] == "-" else digits) * Fraction(10) ** (exponent - len(decimals))
    return Number(value, max(0, len(decimals) - exponent) if decimals else 0)


def _ratio(sign: str, top: str, bottom: str) -> Number | None:
    over, under = _plain(top), _plain(bottom)
    if over is None or under is None or under.value == 0:
        return None
    return Number((-1 if sign == "-" else 1) * over.value / under.value)


def _fraction(text: str) -> Number | None:
    match = _FRACTION.fullmatch(text)
    if match:
        return _ratio(match["sign"], match["top"], match["bottom"])
    match = _SLASH.fullmatch(re.sub(r"\s*/\s*", "/", text))
    if match is None:
        return None
    return _ratio(match["sign"] or "", match["top"] or match["intop"], match["bottom"] or match["inbottom"])


def _mixed(text: str) -> Number | None:
    match = _MIXED.fullmatch(text) or _MIXED_PLAIN.fullmatch(text)
    if match is None or int(match["bottom"]) == 0:
        return None
    size = int(match["whole"]) + Fraction(int(match["top"]), int(match["bottom"]))
    return Number(-size if match["sign"] == "-" else size)


def _scientific(text: str) -> Number | None:
    match = _SCIENTIFIC.fullmatch(text)
    mantissa = _plain(match["mantissa"]) if match else None
    if match is None or mantissa is None:
        return None
    return Number(mantissa.value * Fraction(10) ** int(match["braced"] or match["bare"]))


def same_number(one: Number, other: Number) -> bool:
    """Equality under the policy at the top of this page; symmetric."""
    if one.percent != other.percent:
        percent, plain = (one, other) if one.percent else (other, one)
        small = abs(plain.value) <= 1 and plain.value.denominator > 1
        return same_value(percent, plain) or (small and percent.value / 100 == plain.value)
    return same_value(one, other)


def same_value(one: Number, other: Number) -> bool:
    if one.value == other.value:
        return True
    places = max(one.places, other.places)
    if places < FEWEST_PLACES:
        return False
    rounded = round(one.value, min(places, MOST_PLACES))
    return rounded != 0 and rounded == round(other.value, min(places, MOST_PLACES))
