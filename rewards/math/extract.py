r"""Where in a completion the answer stands.

    <think>… \boxed{41} …</think> so <answer>42</answer>      → "42", found as `answer tag`

The reasoning is no answer: what stands before the last `</think>` is not looked at, and a completion that opens
`<think>` and never closes it has no answer. In what is left, the first of these that occurs gives the answer:

1. `<answer>…</answer>`, the last one; what it holds is searched again by rules 2 to 4, and prose as in rule 4;
2. `\boxed{…}`, the last balanced one that holds something (`\fbox` too); neighbouring boxes joined by nothing but
   commas, "and" or "or" are one answer of several parts;
3. `#### …`, the last one, to the end of its line;
4. a phrase: "the answer is …", "final answer: …", "A: …", "答案是…", the last one, to the end of its sentence;
5. without an anchor: the whole text where it is nothing but a formula, else the last formula or number in it.

1 to 4 are *anchors*; `require_anchor` accepts nothing else.
"""

import re
from collections import deque
from dataclasses import dataclass

MAX_TEXT = 200_000  # characters of a completion that are looked at, from its end
MAX_BOXES = 200  # that are looked at, from the end
MAX_ANSWER = 2_000  # characters of an answer; the longest reference of MATH-500 has 159

THINK_END, THINK_START = "</think>", "<think>"
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_EMPTY_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{\s*\}")
_BOX_BARE = re.compile(r"\\(?:boxed|fbox)\s+([^\s{}$.,]+)")
_BETWEEN_BOXES = re.compile(r"[\s$,;.\\]*(?:\\quad|\\qquad|\\text\s*\{\s*(?:and|or)\s*\}|and|or|[\s$,;])*[\s$,;\\]*")
_HASHES = re.compile(r"####\s*([^\n]*)")
_PHRASE = re.compile(
    r"(?:(?:final|correct|the)\s+answer\s*(?:is\s*:?|:|=)|\banswer\s*(?:is\b\s*:?|:|=)|^\s*A\s*:|"
    r"(?:最终)?答案\s*(?:[是为：:]|应该是)+)",
    re.IGNORECASE | re.MULTILINE,
)
_MARK_UP = re.compile(r"\*\*|__|`")
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
_MATH = re.compile(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|\$((?:[^$\\]|\\.)+?)\$", re.DOTALL)
_PROSE = re.compile(r"(?<![\\a-zA-Z{])[A-Za-z]{2,}\s+[A-Za-z]{2,}")
_OPERATORS = ("+", "-", "*", "/", "^", "=", "\\", "<", ">", "π", "×")
_FORMULA = re.compile(r"(?:sqrt|exp|log|ln|sin|cos|tan|pi|inf(?:inity)?|frac|[a-zA-Z](?![a-zA-Z])|[α-ωΑ-Ω]|[\W\d_])+")


@dataclass(frozen=True, slots=True)
class Found:
    """An answer and how it was found: `answer tag`, `box`, `####`, `phrase`, or, without an anchor, `whole text`,
    `last formula`, `last number`."""

    text: str
    how: str
    anchored: bool


def after_reasoning(completion: str) -> str:
    """What stands after the last `</think>`; empty where the reasoning is never closed."""
    head, closed, tail = completion.rpartition(THINK_END)
    if closed:
        return tail
    return "" if THINK_START in completion else completion


def extract_answer(completion: str, require_anchor: bool = False) -> Found | None:
    """The answer of a completion, or None where there is none (with `require_anchor`: none at an anchor)."""
    text = after_reasoning(completion[-MAX_TEXT:])
    tagged = _last_tagged(text)
    if tagged is not None:
        bare = _MARK_UP.sub("", tagged).strip()
        stated = _sentence(bare) if _PROSE.search(bare) else bare
        return anchored(tagged) or (Found(stated, "answer tag", True) if stated else None)
    found = anchored(text)
    if found is not None or require_anchor:
        return found
    return _unanchored(text)


def last_number(text: str) -> Found | None:
    """The last number in a text, reasoning and all: the lenient reading, blind to format."""
    number = _last(_NUMBER, _MARK_UP.sub("", text[-MAX_TEXT:]))
    return Found(number.group().strip(), "last number", False) if number else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


def _last_tagged(text: str) -> str | None:
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    return text[start + len("<answer>") : end] if start >= 0 else None


def anchored(text: str) -> Found | None:
    """What stands at an anchor other than answer tags, or None."""
    box = _boxed(text)
    if box is not None:
        return Found(box, "box", True) if box.strip() else None
    hashes = _HASHES.findall(text)
    if hashes:
        return Found(hashes[-1].strip(), "####", True) if hashes[-1].strip() else None
    phrase = _last(_PHRASE, text)
    if phrase is None:
        return None
    stated = _sentence(_MARK_UP.sub("", text[phrase.end() :]).lstrip(" :\n"))
    return Found(stated, "phrase", True) if stated else None


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
    distinct = dict.fromkeys(content.strip() for _, _, content in reversed(parts))
    return ", ".join(distinct)


def _closing(text: str, opening: int) -> int:
    """Position of the brace that closes the one at `opening`, within MAX_ANSWER characters; -1 where there is none."""
    depth, position = 0, opening
    stop = min(len(text), opening + MAX_ANSWER)
    while position < stop:
        char = text[position]
        if char == "\\":
            position += 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return -1


def _sentence(text: str) -> str:
    """From a phrase to the end of its sentence: what it states, reduced to its last formula or number where it is
    more than an answer."""
    line = text[:MAX_ANSWER].split("\n", 1)[0]
    sentence = re.split(r"(?<=[^\s.])[.。!！](?:\s|$)|。|<\|", line, maxsplit=1)[0].strip().rstrip(".。")
    formula = _MATH.match(text[:MAX_ANSWER])
    if formula is not None:
        return _contents(formula) + (_percent(text[formula.end() :]))
    if is_formula(sentence) or len(sentence.split()) <= 2:
        return sentence
    number = _NUMBER.match(sentence)
    if number is not None and not sentence[number.end() :].lstrip().startswith(_OPERATORS):
        return number.group()
    last = _unanchored(sentence)
    return last.text if last is not None and last.how != "whole text" else sentence


def _unanchored(text: str) -> Found | None:
    plain = _MARK_UP.sub("", _EMPTY_BOX.sub("", text)).strip()
    if len(plain) <= 200 and "\n" not in plain and is_formula(plain):
        return Found(plain, "whole text", False) if plain else None
    formula = _last(_MATH, plain)
    if formula is None or _PROSE.search(_contents(formula)):  # two dollar signs that enclose no formula
        return last_number(plain)
    behind = plain[formula.end() :]
    return last_number(behind) or Found(_contents(formula) + _percent(behind), "last formula", False)


def _percent(behind: str) -> str:
    """The percent sign of a formula that has it outside its dollar signs."""
    return "%" if re.match(r"\s*(?:percent|pct|\\?%)", behind) else ""


def _contents(math: re.Match[str]) -> str:
    return next(group for group in math.groups() if group is not None).strip()


def is_formula(text: str) -> bool:
    """Whether a text reads as a formula, not as prose: no word but the names of functions."""
    without_commands = re.sub(r"\\(?:text|mathrm|textbf|mbox|begin|end)\s*\{[^{}]*\}|\\[a-zA-Z]+", " ", text)
    return bool(re.search(r"[\dA-Za-z\\∞]", text)) and _FORMULA.fullmatch(without_commands) is not None
