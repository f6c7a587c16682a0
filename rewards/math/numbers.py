r"""Numbers as written in answers, read exactly: `1,234.50`, `3/4`, `-\frac{3}{4}`, `1\frac12`, `1.5e-3`, `12%`,
`0.1\overline{6}`.

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
_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(?:(?:,\d{3})+|(?: \d{3})+)(?:\.\d+)?")
_GROUPED_BY_POINTS = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+,\d+")
# Two places at least, or a leading zero: `1,2` is a list of two numbers.
_COMMA_DECIMAL = re.compile(r"[-+]?\d+,\d{2}|[-+]?0,\d+")
_REPEATING = re.compile(
    r"(?P<sign>[-+]?)(?P<whole>\d*)\.(?P<once>\d{0,20})\\(?:overline|bar)\s*(?:\{(?P<again>\d{1,20})\}|(?P<digit>\d))"
)
_FRACTION = re.compile(r"(?P<sign>[-+]?)\\frac\{(?P<top>[-+]?[\d.]+)\}\{(?P<bottom>[-+]?[\d.]+)\}")
_SLASH = re.compile(r"(?P<top>[-+]?[\d.]+)/(?P<bottom>[\d.]+)|(?P<sign>[-+]?)\((?P<intop>[-+]?\d+)/(?P<inbottom>\d+)\)")
_MIXED = re.compile(r"(?P<sign>[-+]?)(?P<whole>\d+)\s*\\frac\{(?P<top>\d+)\}\{(?P<bottom>\d+)\}")
_MIXED_PLAIN = re.compile(r"(?P<sign>[-+]?)(?P<whole>\d+)\s+(?P<top>\d+)/(?P<bottom>\d+)")
_SCIENTIFIC = re.compile(
    r"(?P<mantissa>[-+]?[\d.]+)\s*(?:\\times|\\cdot|\*|×)\s*10\^(?:\{(?P<braced>[-+]?\d{1,3})\}|(?P<bare>\d))"
)


@dataclass(frozen=True, slots=True)
class Number:
    """value: exact; places: decimals it was written with; percent: written with a percent sign; comma: its decimal
    point is a comma, so that it may also be a list of two."""

    value: Fraction
    places: int = 0
    percent: bool = False
    comma: bool = False


def read_number(text: str) -> Number | None:
    """The number that a text is, or None where it is anything else (or has more than MAX_DIGITS characters)."""
    if len(text) > MAX_DIGITS:
        return None
    text = text.strip().replace("−", "-")
    if text.endswith("%"):
        number = read_number(text[:-1].rstrip("\\ "))
        return Number(number.value, number.places, True, number.comma) if number else None
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1 and "," not in text:
        text = text[1:-1].strip()
    comma = False
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "").replace(" ", "")
    elif _GROUPED_BY_POINTS.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    elif _COMMA_DECIMAL.fullmatch(text):
        text, comma = text.replace(",", "."), True
    plain = _plain(text)
    if plain is not None:
        return Number(plain.value, plain.places, comma=comma)
    return _fraction(text) or _mixed(text) or _scientific(text) or _repeating(text)


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


def _repeating(text: str) -> Number | None:
    match = _REPEATING.fullmatch(text)
    if match is None:
        return None
    once, again = match["once"], match["again"] or match["digit"]
    head = Fraction(int((match["whole"] or "0") + once), 10 ** len(once))
    size = head + Fraction(int(again), (10 ** len(again) - 1) * 10 ** len(once))
    return Number(-size if match["sign"] == "-" else size)


def same_number(one: Number, other: Number) -> bool:
    """Equality under the policy at the top of this page; symmetric."""
    if one.percent != other.percent:
        percent, plain = (one, other) if one.percent else (other, one)
        small = abs(plain.value) <= 1 and plain.value.denominator > 1
        hundredth = Number(percent.value / 100, percent.places + 2 if percent.places else 0)
        return same_value(percent, plain) or (small and same_value(hundredth, plain))
    return same_value(one, other)


def same_value(one: Number, other: Number) -> bool:
    if one.value == other.value:
        return True
    return any(
        number.places >= FEWEST_PLACES and _rounds_to(other_number.value, number)
        for number, other_number in ((one, other), (other, one))
    )


def _rounds_to(value: Fraction, decimal: Number) -> bool:
    places = min(decimal.places, MOST_PLACES)
    rounded = round(value, places)
    return rounded != 0 and rounded == round(decimal.value, places)
