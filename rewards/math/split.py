r"""Splitting at the top level of brackets: `(1,2), [3,4)` has two parts, not four."""

import re

OPEN, CLOSE = "([{", ")]}"
_RELATION = re.compile(r"\\(?:leq|geq|neq|in|approx)(?![a-zA-Z])|[=<>]")
_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")


def split_top(text: str, separator: re.Pattern[str], keep_empty: bool = False) -> list[str]:
    """Split where no bracket is open. A comma within a number with thousands separators does not separate."""
    matches = list(separator.finditer(text))
    if not matches:
        return [text] if keep_empty else [piece for piece in [text.strip()] if piece]
    depth_at = _depths(text)
    thousands = [match.span() for match in _THOUSANDS.finditer(text)]
    pieces, start = [], 0
    for match in matches:
        grouping = match.group() == "," and any(first < match.start() < last for first, last in thousands)
        if depth_at[match.start()] == 0 and not grouping:
            pieces.append(text[start : match.start()])
            start = match.end()
    pieces.append(text[start:])
    return pieces if keep_empty else [piece.strip() for piece in pieces if piece.strip()]


def split_relation(text: str) -> tuple[list[str], list[str]]:
    """The sides of a chain of relations and the signs between them."""
    matches = list(_RELATION.finditer(text))
    if not matches:
        return [text.strip()], []
    depth_at = _depths(text)
    sides, signs, start = [], [], 0
    for match in matches:
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
        if char in CLOSE:
            depth = max(0, depth - 1)
        depths.append(depth)
        if char in OPEN:
            depth += 1
    return depths
