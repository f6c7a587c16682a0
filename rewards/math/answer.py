r"""The shape of an answer: what is compared with what.

    x \in (-6,10]      → Relation \in of x and the bracket "(]" of -6 and 10
    1, \frac12, 3      → a list of three parts, in any order
    k = 45, n = 2      → a list of two relations

Parts are split at the top level of brackets only; formulas are left for `symbolic` to compare.
"""

import itertools
import re
from dataclasses import dataclass, field

from rewards.math.normalize import normalize
from rewards.math.split import CLOSE, OPEN, split_relation, split_top
from rewards.math.text import without_labels, without_words
from rewards.math.units import split_unit

MAX_PARTS = 64
MAX_DEPTH = 6
MAX_SIGNS = 3  # of plus-minus in one part: eight values
_SEPARATOR = re.compile(r",?\s*\\text\{\s*(?:and|or)\s*\}\s*|,?\s*(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])\s*|[,;和或]")
_STRONG_SEPARATOR = re.compile(r";")  # of groups, as in `p=5,q=2;p=7,q=2`
_MATRIX = re.compile(r"\(?\\begin\{([pbvBV]?matrix|array)\}(?:\{[^{}]*\})?(.*)\\end\{\1\}\)?", re.DOTALL)
_UNION = re.compile(r"\\cup(?![a-zA-Z])")
_WITHOUT = re.compile(r"\\setminus(?![a-zA-Z])")
_SIGNS = re.compile(r"\\(pm|mp)(?![a-zA-Z])")


@dataclass(frozen=True, slots=True)
class Formula:
    """Anything without structure of its own."""

    text: str


@dataclass(frozen=True, slots=True)
class Parts:
    """kind: `list` and `set` (any order), `sequence` (a list with \\ldots, or of labelled parts: in order), `bracket`
    (tuple or interval: in order; `brackets` says which), `union` (any order), `without` (a set and what it lacks),
    `matrix` (row by row; `brackets` is the width, -1 where rows differ). text: as it was spelled."""

    kind: str
    parts: tuple["Answer", ...]
    brackets: str = ""
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain `sides[0] signs[0] sides[1] …`."""

    sides: tuple["Answer", ...]
    signs: tuple[str, ...]


Answer = Formula | Parts | Relation


def read_answer(normalized: str) -> Answer:
    """The shape of an answer in the one spelling of `normalize`."""
    return _shape(normalized, 0)


def _shape(text: str, depth: int) -> Answer:
    text = without_words(text.strip())
    if depth > MAX_DEPTH:
        return Formula(text)
    matrix = _MATRIX.fullmatch(text)
    if matrix and matrix[2].count(r"\begin") == 0:
        return _matrix(matrix[2], text, depth)
    groups = split_top(text, _STRONG_SEPARATOR)
    if len(groups) == 1:
        groups = split_top(text, _SEPARATOR)
    if 1 < len(groups) <= MAX_PARTS:
        return _list(groups, text, depth)
    sides, signs = split_relation(text)
    if 1 < len(sides) <= MAX_PARTS:
        return Relation(tuple(_shape(side, depth + 1) for side in sides), tuple(signs))
    for kind, separator in (("without", _WITHOUT), ("union", _UNION)):
        pieces = split_top(text, separator)
        if 1 < len(pieces) <= MAX_PARTS:
            return Parts(kind, _shapes(pieces, depth), text=text)
    return _bracketed(text, depth) or _plus_minus(text, depth) or Formula(split_unit(text)[0] if depth else text)


def _shapes(texts: list[str], depth: int) -> tuple[Answer, ...]:
    return tuple(_shape(text, depth + 1) for text in texts[:MAX_PARTS])


def _list(groups: list[str], text: str, depth: int) -> Parts:
    unlabelled = without_labels(groups)
    if unlabelled is not None:
        return Parts("sequence", _shapes(unlabelled, depth), text=text)
    kind = "sequence" if "\\ldots" in text else "list"
    return Parts(kind, _shapes(_with_plus_minus(groups), depth), text=text)


def _matrix(body: str, text: str, depth: int) -> Parts:
    rows = [row for row in re.split(r"\\\\", body) if row.strip()]
    cells = [split_top(row, re.compile("&"), keep_empty=True) for row in rows]
    width = len(cells[0]) if cells else 0
    if any(len(row) != width for row in cells):
        width = -1
    flat = tuple(_shape(normalize(cell), depth + 1) for row in cells[:MAX_PARTS] for cell in row[:MAX_PARTS])
    return Parts("matrix", flat, str(width), text=text)


def _bracketed(text: str, depth: int) -> Answer | None:
    r"""(…, …), [… , …), \{…\}, {…}: a tuple, interval or set, where the outer brackets are one pair."""
    inner, brackets = text, ""
    if text.startswith("\\{") and text.endswith("\\}"):
        inner, brackets = text[2:-2], "{}"
    elif len(text) > 1 and text[0] in OPEN and text[-1] in CLOSE and _is_one_pair(text):
        inner, brackets = text[1:-1], text[0] + text[-1]
    if not brackets:
        return None
    parts = split_top(inner, _SEPARATOR)
    if brackets == "{}":
        return Parts("set", _shapes(_with_plus_minus(parts), depth), text=text)
    if len(parts) == 1:
        return _shape(inner, depth + 1) if brackets in ("()", "[]") and inner.strip() else None
    return Parts("bracket", _shapes(parts, depth), brackets, text=text)


def _is_one_pair(text: str) -> bool:
    depth = 0
    for position, char in enumerate(text):
        if char in OPEN:
            depth += 1
        elif char in CLOSE:
            depth -= 1
            if depth == 0:
                return position == len(text) - 1
    return False


def _plus_minus(text: str, depth: int) -> Answer | None:
    both = _with_plus_minus([text])
    return Parts("list", _shapes(both, depth), text=text) if len(both) > 1 else None


def _with_plus_minus(parts: list[str]) -> list[str]:
    r"""`1 \pm x` as `1 + x` and `1 - x`. Several signs are free of each other, unless one is a `\mp`: then all turn
    together."""
    spread: list[str] = []
    for part in parts:
        signs = _SIGNS.findall(part)
        if not 1 <= len(signs) <= MAX_SIGNS:
            spread.append(part)
            continue
        upper = ["+" if sign == "pm" else "-" for sign in signs]
        turned = ["-" if sign == "+" else "+" for sign in upper]
        choices = [upper, turned] if "mp" in signs else itertools.product("+-", repeat=len(signs))
        for choice in choices:
            chosen = iter(choice)
            spread.append(_SIGNS.sub(lambda _, chosen=chosen: next(chosen), part).lstrip("+ "))  # type: ignore[misc]
    return spread
