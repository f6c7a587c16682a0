"""When what a program printed is the expected output.

    expected "1 2\\n3\\n", printed "1  2 \\n\\n3"   → equal
    expected "1 2\\n3\\n", printed "1 2"           → not equal: a part is not enough

Line by line, word by word: runs of blanks and empty lines do not count, everything else does. With a tolerance, two
words that are both decimal numbers may differ by it, absolutely or relative to the expected one.
"""

import math
import re

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?")


def difference(printed: str, expected: str, tolerance: float | None = None) -> str | None:
    """None where the outputs are equal, else where they first differ, in words."""
    got, wanted = _lines(printed), _lines(expected)
    for number, (line, wish) in enumerate(zip(got, wanted, strict=False), start=1):
        if not _same_line(line, wish, tolerance):
            return f"line {number} is {_brief(line)} instead of {_brief(wish)}"
    if len(got) != len(wanted):
        return f"{len(got)} lines instead of {len(wanted)}"
    return None


def _lines(text: str) -> list[list[str]]:
    return [words for line in text.splitlines() if (words := line.split())]


def _same_line(line: list[str], wish: list[str], tolerance: float | None) -> bool:
    if line == wish:
        return True
    if tolerance is None or len(line) != len(wish):
        return False
    return all(a == b or _close(a, b, tolerance) for a, b in zip(line, wish, strict=True))


def _close(word: str, wish: str, tolerance: float) -> bool:
    if not (_NUMBER.fullmatch(word[:400]) and _NUMBER.fullmatch(wish[:400])):
        return False
    a, b = float(word), float(wish)
    return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= tolerance * max(1.0, abs(b))


def _brief(words: list[str]) -> str:
    text = " ".join(words)
    return repr(text if len(text) <= 60 else text[:60] + "…")
