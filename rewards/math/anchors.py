r"""Answers at an anchor: `\boxed{…}`, `#### …`, "the answer is …"; the first kind that occurs gives the answer."""

import re
from collections import deque

from rewards.math.prose import MARK_UP, MAX_ANSWER, Found, stated

MAX_BOXES = 200  # that are looked at, from the end
MAX_PHRASES = 5

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BOX_BARE = re.compile(r"\\(?:boxed|fbox)\s+([^\s{}$.,]+)")
_BETWEEN_BOXES = re.compile(
    r"[\s$,;.\\]*(?:\\quad|\\qquad|\\text\s*\{\s*(?:and|or)\s*\}|and|or|和|或|[\s$,;])*[\s$,;\\]*"
)
_HASHES = re.compile(r"####\s*([^\n]*)")
# No two neighbouring repeats match the same character: a long run of spaces must not cost its square.
_SAYS = r"\s*(?:(?:\*\*|__)\s*)?(?:is\b\s*:?|[:：=])(?!\s*not\b)"
_PHRASE = re.compile(
    rf"(?:(?:final|correct|the)\s+answer{_SAYS}|\banswer{_SAYS}|^[ \t]*A[ \t]*[:：]|final\s+answer(?:\*\*|__|\s)*\n|"
    r"\br[ée]ponse(?:\s+finale)?\s*(?:est\b\s*:?|[:：])|\brespuesta(?:\s+final)?\s*(?:es\b\s*:?|[:：])|"
    r"\bantwort\s*(?:ist\b|lautet\b|[:：])\s*:?|"
    r"答案\s*(?:(?:应该|应当)\s*)?(?:等于|[是为选：:])+|^[ \t]*答[ \t]*[：:]|(?:故|应)选\s*[：:]?)",
    re.IGNORECASE | re.MULTILINE,
)


def anchored(text: str) -> Found | None:
    """What stands at an anchor other than answer tags, or None."""
    box = _boxed(text)
    if box is not None:
        return Found(box, "box", True) if box.strip() else None
    hashes = _HASHES.findall(text)
    if hashes:
        return Found(hashes[-1].strip(), "####", True) if hashes[-1].strip() else None
    for phrase in reversed(deque(_PHRASE.finditer(text), maxlen=MAX_PHRASES)):
        statement = stated(MARK_UP.sub("", text[phrase.end() : phrase.end() + 2 * MAX_ANSWER]).lstrip(" :：\n"))
        if statement:
            return Found(statement, "phrase", True)
    return None


def _boxed(text: str) -> str | None:
    """What the last balanced box holds; neighbouring boxes are joined by commas."""
    boxes: list[tuple[int, int, str]] = []
    ends = 0
    for match in deque(_BOX.finditer(text), maxlen=MAX_BOXES):
        end = _closing(text, match.end() - 1) if match.end() > ends else -1
        if end >= 0 and text[match.end() : end].strip():
            boxes.append((match.start(), end, text[match.end() : end]))
            ends = end
    if not boxes:
        bare = _BOX_BARE.findall(text)
        return bare[-1] if bare else None
    parts = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        between = text[box[1] + 1 : parts[-1][0]]
        if len(between) > 40 or not _BETWEEN_BOXES.fullmatch(between):
            break
        parts.append(box)
    distinct = dict.fromkeys(content.strip().rstrip(",;") for _, _, content in reversed(parts))
    return ", ".join(distinct)


def _closing(text: str, opening: int) -> int:
    r"""Position of the brace that closes the one at `opening`, within MAX_ANSWER characters; -1 where there is none.

    `\{` and `\}` are characters of a set, not braces; but where no brace closes the box, a `\}` that closes no set does
    (`\boxed{185\}`)."""
    depth, sets, escaped, position = 0, 0, -1, opening
    stop = min(len(text), opening + MAX_ANSWER)
    while position < stop:
        char = text[position]
        if char == "\\":
            position += 1
            if text[position : position + 1] == "{":
                sets += 1
            elif text[position : position + 1] == "}":
                sets -= 1
                escaped = position if escaped < 0 and depth == 1 and sets < 0 else escaped
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return escaped
