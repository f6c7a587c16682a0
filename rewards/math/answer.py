r"""The shape of an answer: what is compared with what.

    x \in (-6,10]      → Interval "(", "]" of -6 and 10, named x
    1, \frac12, 3      → a list of three parts, in any order
    k = 45, n = 2      → a list of two relations

Parts are split at the top level of brackets only; formulas are left for `symbolic` to compare.
"""

import re
from dataclasses import dataclass

from rewards.math.normalize import normalize

MAX_PARTS = 64
_RELATION = re.compile(r"\\(?:leq|geq|neq|in|approx)(?![a-zA-Z])|[=<>]")
_SEPARATOR = re.compile(r",?\s*\\text\{\s*(?:and|or)\s*\}\s*|,?\s*(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])\s*|[,;]")
_STRONG_SEPARATOR = re.compile(r";")  # of groups, as in `p=5,q=2;p=7,q=2`
_MATRIX = re.compile(r"\\begin\{([pbvBV]?matrix|array)\}(?:\{[^{}]*\})?(.*)\\end\{\1\}", re.DOTALL)
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Formula:
    """Anything without structure of its own."""

    text: str


@dataclass(frozen=True, slots=True)
class Parts:
    """kind: `list` and `set` (any order), `sequence` (a bare list with \\ldots: in order), `bracket` (tuple or
    interval: in order; `brackets` says which), `union` (any order), `matrix` (rows of the given width)."""

    kind: str
    parts: tuple["Answer", ...]
    brackets: str = ""


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain `sides[0] signs[0] sides[1] …`."""

    sides: tuple["Answer", ...]
    signs: tuple[str, ...]


Answer = Formula | Parts | Relation


def read_answer(text: str) -> Answer:
    """The shape of an answer as written."""
    return _shape(normalize(text), 0)


def _shape(text: str, depth: int) -> Answer:
    text = text.strip()
    if depth > 6:
        return Formula(text)
    matrix = _MATRIX.fullmatch(text)
    if matrix:
        return _matrix(matrix[2], depth)
    groups = split_top(text, _STRONG_SEPARATOR)
    if len(groups) == 1:
        groups = split_top(text, _SEPARATOR)
    if 1 < len(groups) <= MAX_PARTS:
        kind = "sequence" if "\\ldots" in text else "list"
        return Parts(kind, tuple(_shape(part, depth + 1) for part in _with_plus_minus(groups)))
    sides, signs = _split_relation(text)
    if 1 < len(sides) <= MAX_PARTS:
        return Relation(tuple(_shape(side, depth + 1) for side in sides), tuple(signs))
    pieces = split_top(text, re.compile(r"\\cup(?![a-zA-Z])"))
    if 1 < len(pieces) <= MAX_PARTS:
        return Parts("union", tuple(_shape(piece, depth + 1) for piece in pieces))
    return _bracketed(text, depth) or _plus_minus(text, depth) or Formula(text)


def _matrix(body: str, depth: int) -> Parts:
    rows = [row for row in re.split(r"\\\\", body) if row.strip()]
    cells = [split_top(row, re.compile("&"), keep_empty=True) for row in rows]
    width = len(cells[0]) if cells else 0
    if any(len(row) != width for row in cells):
        width = -1
    flat = tuple(_shape(normalize(cell), depth + 1) for row in cells[:MAX_PARTS] for cell in row[:MAX_PARTS])
    return Parts("matrix", flat, str(width))


def _bracketed(text: str, depth: int) -> Answer | None:
    r"""(…, …), [… , …), \{…\}, {…}: a tuple, interval or set, where the outer brackets are one pair."""
    inner, brackets = text, ""
    if text.startswith("\\{") and text.endswith("\\}"):
        inner, brackets = text[2:-2], "{}"
    elif len(text) > 1 and text[0] in _OPEN and text[-1] in _CLOSE and _is_one_pair(text):
        inner, brackets = text[1:-1], text[0] + text[-1]
    if not brackets:
        return None
    parts = split_top(inner, _SEPARATOR)
    if brackets == "{}":
        return Parts("set", tuple(_shape(part, depth + 1) for part in _with_plus_minus(parts)[:MAX_PARTS]))
    if len(parts) == 1:
        return _shape(inner, depth + 1) if brackets == "()" and inner.strip() else None
    return Parts("bracket", tuple(_shape(part, depth + 1) for part in parts[:MAX_PARTS]), brackets)


def _is_one_pair(text: str) -> bool:
    depth = 0
    for position, char in enumerate(text):
        if char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth -= 1
            if depth == 0:
                return position == len(text) - 1
    return False


def _plus_minus(text: str, depth: int) -> Answer | None:
    both = _with_plus_minus([text])
    return Parts("list", tuple(_shape(part, depth + 1) for part in both)) if len(both) == 2 else None


def _with_plus_minus(parts: list[str]) -> list[str]:
    r"""`1 \pm x` as `1 + x` and `1 - x`."""
    spread: list[str] = []
    for part in parts:
        if part.count("\\pm") == 1:
            spread += [part.replace("\\pm", "+", 1).lstrip("+ "), part.replace("\\pm", "-", 1)]
        else:
            spread.append(part)
    return spread


def split_top(text: str, separator: re.Pattern[str], keep_empty: bool = False) -> list[str]:
    """Split where no bracket is open. A comma within a number with thousands separators does not separate."""
    depth_at = _depths(text)
    pieces, start = [], 0
    for match in separator.finditer(text):
        if depth_at[match.start()] == 0 and not (match.group() == "," and _groups_thousands(text, match.start())):
            pieces.append(text[start : match.start()])
            start = match.end()
    pieces.append(text[start:])
    return pieces if keep_empty else [piece.strip() for piece in pieces if piece.strip()]


_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")


def _groups_thousands(text: str, comma: int) -> bool:
    return any(match.start() < comma < match.end() for match in _THOUSANDS.finditer(text))


def _split_relation(text: str) -> tuple[list[str], list[str]]:
    depth_at = _depths(text)
    sides, signs, start = [], [], 0
    for match in _RELATION.finditer(text):
        if depth_at[match.start()] == 0:
            sides.append(text[start : match.start()])
            signs.append(match.group())
            start = match.end()
    sides.append(text[start:])
    return [side.strip() for side in sides], signs


def _depths(text: str) -> list[int]:
    r"""Bracket depth before each character; an escaped brace counts as a brace. Half-open intervals pair any two."""
    depths, depth = [], 0
    for char in text:
        if char in _CLOSE:
            depth = max(0, depth - 1)
        depths.append(depth)
        if char in _OPEN:
            depth += 1
    return depths
