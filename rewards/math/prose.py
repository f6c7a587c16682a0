"""Formulas and numbers in running text.

"The total is 7 apples, since 3 + 4 = 7."   → states "7"
"Thus $x = \\frac{3}{4}$."                   → its last formula is "x = \\frac{3}{4}"
"""

import re
from collections import deque
from dataclasses import dataclass

MAX_ANSWER = 2_000  # characters of an answer; the longest reference of MATH-500 has 159
MAX_WHOLE = 200  # characters of a text that is nothing but an answer

MARK_UP = re.compile(r"\*\*|__|`")
_EMPTY_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{\s*\}")
# A number in running text: a LaTeX fraction, or digits with thousands separators or a decimal point or comma, maybe
# with a currency before, a denominator or a percent sign behind. The letters around a number are looked at as ASCII
# only: Chinese leaves no spaces.
_SIMPLE = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+,\d{1,2}(?![\d,])|\d+(?:\.\d+)?|\.\d+)"
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,\\^])[-+−]?(?:"
    r"\\[dtc]?frac\s*\{[-+\d.]+\}\s*\{[\d.]+\}|"
    rf"\\?[$€£¥]?{_SIMPLE}(?:\s*/\s*\d+(?![\d.]))?)"
    r"(?:\s*(?:\\?%|percent\b|pct\b|percentage\b))?(?![A-Za-z_]*_)"
)
# No longer than an answer and without an opening bracket within: a text of nothing but those must not cost its square.
_MATH = re.compile(
    r"(?<!\\)\$\$(.{1,2000}?)\$\$|\\\[((?:(?!\\\[).){1,2000}?)\\\]|\\\(((?:(?!\\\().){1,2000}?)\\\)|"
    r"(?<!\\)\$((?:[^$\\]|\\.){1,2000}?)\$",
    re.DOTALL,
)
_PROSE = re.compile(r"(?<![\\a-zA-Z{])[A-Za-z]{2,}\s+[A-Za-z]{2,}")
_SENTENCE_END = re.compile(r"(?<=[^\s.])[.。!！](?:\s|$)|。|<\|")
_OPERATORS = ("+", "-", "*", "/", "^", "=", "\\", "<", ">", "π", "×")
_FORMULA = re.compile(r"(?:sqrt|exp|log|ln|sin|cos|tan|pi|inf(?:inity)?|frac|[a-zA-Z](?![a-zA-Z])|[α-ωΑ-Ω]|[\W\d_])+")


@dataclass(frozen=True, slots=True)
class Found:
    """An answer and how it was found: `answer tag`, `box`, `####`, `phrase`, or, without an anchor, `whole text`,
    `last formula`, `last number`."""

    text: str
    how: str
    anchored: bool


def last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last match, without keeping the others: a hostile text has many."""
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


def is_prose(text: str) -> bool:
    """Whether two words stand side by side."""
    return _PROSE.search(text) is not None


def is_formula(text: str) -> bool:
    """Whether a text reads as a formula, not as prose: no word but the names of functions."""
    without_commands = re.sub(r"\\(?:text|mathrm|textbf|mbox|begin|end)\s*\{[^{}]*\}|\\[a-zA-Z]+", " ", text)
    return bool(re.search(r"[\dA-Za-z\\∞]", text)) and _FORMULA.fullmatch(without_commands) is not None


def stated(text: str) -> str:
    """What the first sentence of a text states, reduced to its last formula or number where it is more than an
    answer; empty where it states nothing."""
    line = text[:MAX_ANSWER].split("\n", 1)[0]
    sentence = _SENTENCE_END.split(line, maxsplit=1)[0].strip().rstrip(".。")
    formula = _MATH.match(text[:MAX_ANSWER])
    if formula is not None:
        return _contents(formula) + _percent(text[formula.end() :])
    if is_formula(sentence) or len(sentence.split()) <= 2:
        return sentence
    number = _NUMBER.match(sentence)
    if number is not None and not sentence[number.end() :].lstrip().startswith(_OPERATORS):
        return number.group()
    last = last_expression(sentence)
    return last.text if last is not None and last.how != "whole text" else sentence


def last_expression(text: str) -> Found | None:
    """The whole text where it is nothing but a formula, else the last formula or number in it."""
    plain = MARK_UP.sub("", _EMPTY_BOX.sub("", text)).strip()
    if len(plain) <= MAX_WHOLE and "\n" not in plain and is_formula(plain):
        return Found(plain, "whole text", False) if plain else None
    formula = last_match(_MATH, plain)
    if formula is None or is_prose(_contents(formula)):  # two dollar signs that enclose no formula
        return last_number(plain)
    behind = plain[formula.end() :]
    return last_number(behind) or Found(_contents(formula) + _percent(behind), "last formula", False)


def last_number(text: str) -> Found | None:
    """The last number in a text."""
    number = last_match(_NUMBER, MARK_UP.sub("", text))
    return Found(number.group().strip(), "last number", False) if number else None


def _percent(behind: str) -> str:
    """The percent sign of a formula that has it outside its dollar signs."""
    return "%" if re.match(r"\s*(?:percent|pct|\\?%)", behind) else ""


def _contents(math: re.Match[str]) -> str:
    return next(group for group in math.groups() if group is not None).strip()
