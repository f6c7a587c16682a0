r"""Units at the end of an answer: what they are, and what they are worth in each other.

    15\text{ m}^2, "15 square meters"   → 15 and a unit of area
    90 minutes against 1.5 hours        → the same;  10 cm against 10 m → different

A unit that only one side states says nothing (the question names it more often than not), and words that are no unit
known here (`12 apples`) never do. Where both sides state a known one, amounts are compared.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

# kind: {spellings: worth in the kind's own measure}. Kinds of one entry are never worth another kind's.
_TABLE: dict[str, dict[str, str]] = {
    "length": {
        "mm millimeter millimeters millimetre millimetres": "1/1000",
        "cm centimeter centimeters centimetre centimetres": "1/100",
        "dm decimeter decimeters": "1/10",
        "m meter meters metre metres": "1",
        "km kilometer kilometers kilometre kilometres": "1000",
        "in inch inches": "127/5000",
        "ft foot feet": "381/1250",
        "yd yard yards": "1143/1250",
        "mi mile miles": "201168/125",
    },
    "mass": {"mg milligrams": "1/1000", "g gm gram grams": "1", "kg kilogram kilograms": "1000"},
    "time": {
        "s sec second seconds": "1",
        "min mins minute minutes": "60",
        "h hr hrs hour hours": "3600",
        "day days": "86400",
        "week weeks": "604800",
    },
    "months": {"month months": "1", "year years yr yrs": "12"},
    "volume": {"ml milliliter milliliters": "1/1000", "l liter liters litre litres": "1"},
    "speed": {"m/s": "1", "km/h kph": "5/18", "mph": "1397/3125"},
    "money": {"dollar dollars": "1", "cent cents": "1/100"},
    "degrees": {"degree degrees deg": "1"},
    "radians": {"radian radians rad": "1"},
    "morning": {"am a.m a.m.": "1"},
    "afternoon": {"pm p.m p.m.": "1"},
}
_KNOWN = {
    word: (kind, Fraction(worth))
    for kind, units in _TABLE.items()
    for words, worth in units.items()
    for word in words.split()
}
_SQUARE, _CUBIC = re.compile(r"^sq(?:uare|\.)?\s+"), re.compile(r"^cu(?:bic|\.)?\s+")
_POWER = re.compile(r"\s*\^\s*\{?([23])\}?$")

# Behind a number anything in \text{} is a unit or a remark; behind a letter or \pi only a unit known here is.
_TEXT = re.compile(r"(?<=[\d}%)\]])\s*\\text\{([^{}]*)\}(\^\{?\d\}?)?\.?$")
_TEXT_BEHIND_LETTER = re.compile(r"(?<=[a-zA-Z ])\\text\{([^{}]*)\}(\^\{?\d\}?)?\.?$")
# Two letters may be a product (`2 xy`), and some words are worth something: neither is dropped.
_WORD = re.compile(
    r"(?<=\d)\s+(?!(?:dozen|squared|cubed|factorial|half|halves|thirds?|quarters?|mod)\b)"
    r"([a-zA-Z]{3,}\.?(?:\s+(?!and\b|or\b)[a-zA-Z]{2,}\.?)*(?:\^\{?\d\}?)?|[a-zA-Z]+/[a-zA-Z]+)$"
)
_WORD_KNOWN = re.compile(
    r"(?<=\d|i)\s+((?:sq\.? |cu\.? |square |cubic )?[a-zA-Z]{2,}\.?(?:m\.)?(?:\^\{?[23]\}?)?|[ap]\.m\.?)$"
)
_ATTACHED = re.compile(r"(?<=\d)((?:mm|cm|km|kg|mg|ml|mph|ft|kph|[a-zA-Z]{4,})(?:\^\{?[23]\}?)?|[ap]\.m\.)$")
_CHINESE = re.compile(r"(?<=\d)\s*([\u4e00-\u9fff]+(?:/[\u4e00-\u9fff]+)?)$")


@dataclass(frozen=True, slots=True)
class Unit:
    """kind and power: what can be compared with what; worth: of one unit, in the kind's own measure."""

    kind: str
    power: int
    worth: Fraction


def split_unit(text: str) -> tuple[str, str]:
    """What stands before a unit or trailing words, and the unit as spelled (empty where there is none)."""
    for pattern, known_only in (
        (_TEXT, False),
        (_TEXT_BEHIND_LETTER, True),
        (_WORD_KNOWN, True),
        (_ATTACHED, True),
        (_WORD, False),
        (_CHINESE, False),
    ):
        match = pattern.search(text)
        if match and match.start() > 0:
            unit = "".join(group or "" for group in match.groups()).strip()
            if not known_only or read_unit(unit) is not None:
                return text[: match.start()].rstrip(), unit
    return text, ""


def without_unit(text: str, unit: str) -> str:
    """`15 m^2` without the unit `m^2` of the other side: letters that are read as a formula where nothing else says
    that they are a unit."""
    bare = unit.replace("{", "").replace("}", "").replace(" ", "")
    if not bare or read_unit(bare) is None:
        return text
    spelled = re.sub(r"[{}\s]", "", text)
    rest = spelled.removesuffix(bare)
    return rest if rest != spelled and rest[-1:].isdigit() else text


def read_unit(spelled: str) -> Unit | None:
    """A unit known here, or None."""
    text = spelled.strip().casefold()
    power = _POWER.search(text)
    exponent = int(power[1]) if power else 1
    text = text[: power.start()] if power else text
    for pattern, implied in ((_SQUARE, 2), (_CUBIC, 3)):
        if pattern.match(text):
            text, exponent = pattern.sub("", text), implied
    found = _KNOWN.get(text.strip()) or _KNOWN.get(text.strip(" ."))
    return Unit(found[0], exponent, found[1] ** exponent) if found else None
