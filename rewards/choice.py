r"""Multiple choice, as in GPQA (arXiv 2311.12022) and MMLU: 1.0 for the right letter, else 0.0.

    choices ["London", "Paris", "Rome"], solution "B" (or 1, or "Paris"):

    … so the answer is (B).        → 1.0        \boxed{\text{B}}          → 1.0
    <answer>Paris</answer>         → 1.0        <answer>A or B</answer>   → 0.0, two letters
    <answer>B) Rome</answer>       → 0.0, letter and text contradict each other

Where the letter stands, after the reasoning; the first of these that occurs decides, right or wrong:

1. the last `<answer>…</answer>`;
2. the last `\boxed{…}`;
3. the last "answer is …", "Answer: …", "答案是…" and the like, to the end of its line;
4. unless `require_anchor`: the last line.

There, a letter counts alone, in brackets, after "option" or "choice", or before `)`, `.`, `:`, a comma or "because";
else the text must be that of exactly one choice, letter case and final dot aside. Without a column `choices`, letters
are all there is.
"""

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from rewards.protocol import RowReward, reference_of
from rewards.reasoning import after_reasoning, last_answer_tag
from rewards.verdict import Verdict, scored

MAX_TEXT = 20_000  # characters after the reasoning that are looked at, from the end
MAX_ANSWER = 2_000

_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]++|\{(?:[^{}]++|\{[^{}]*+\})*+\})*+)\}")
_PHRASE = re.compile(
    r"(?:answer|choice)\s*(?:is|:|=)+\s*:?|答案\s*(?:应该)?\s*[是为選选：:]+|(?:应选|应该选|故选|选择|正确的?选项是)\s*[：:]?",
    re.IGNORECASE,
)
_MARK_UP = re.compile(r"\\(?:text|textbf|mathrm|mathbf|rm|bf)\b\s*|\*\*|__|[`${}]|\\[()\[\]]")
_WORD = r"(?:the\s+)?(?:(?:correct|right)\s+)?(?:option|choice|answer|选项)?\s*(?:is\s+)?:?\s*"
_ALONE = re.compile(rf"{_WORD}[(（\[]?\s*([A-Za-z])\s*[)）\]]?\s*[.。:：,;]?", re.IGNORECASE)
_WITH_TEXT = re.compile(
    rf"{_WORD}(?:[(（\[]\s*([A-Z])\s*[)）\]]|([A-Z])(?:\s*[)）.:：、,]|\s+(?=(?:because|since|as)\b)))\s*(\S.*)",
    re.DOTALL,
)
_BRACKETED = re.compile(r"[(（\[]([A-Z])[)）\]]|\b([A-Z])\b(?=\s*(?:,|and\b|or\b|/|&|和|或|、))")


class ChoiceReward(RowReward):
    """1.0 where the completion names the row's choice.

    The reference is `solution`, else `answer`, or the column `reference`: a letter; a whole number, which counts
    choices from `first` on; or the text of one choice. A text that is both a letter and a choice is a letter.
    choices: name of the column with the list of texts. require_anchor: rule 4 is off.
    """

    name = "choice"

    def __init__(
        self, reference: str | None = None, choices: str = "choices", first: int = 0, require_anchor: bool = False
    ) -> None:
        self.reference, self.choices, self.first, self.require_anchor = reference, choices, first, require_anchor

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        right = self._right(row)
        return right if len(right) > 1 else None

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        right = self._right(row)
        if len(right) > 1:
            return Verdict("bad_reference", detail=right)
        found = _place(after_reasoning(completion)[-MAX_TEXT:], self.require_anchor)
        if found is None:
            return scored(0.0, "no answer" + (" at an anchor" if self.require_anchor else ""))
        text, how = found
        texts = self._texts(row)
        letter, why = _letter(text[:MAX_ANSWER], texts)
        if letter is None:
            return scored(0.0, f"{how} {text[:80]!r}: {why}")
        if texts and letter not in ascii_uppercase[: len(texts)]:
            return scored(0.0, f"{how} {text[:80]!r}: {letter} is none of the {len(texts)} choices")
        return scored(letter == right, f"{how} {text[:80]!r}: {letter} ({why}) against {right}", letter)

    def _texts(self, row: Mapping[str, Any]) -> list[str]:
        return [str(text) for text in row.get(self.choices) or ()]

    def _right(self, row: Mapping[str, Any]) -> str:
        """The right letter (one character), or what is wrong with the reference (more than one)."""
        value = row.get(self.reference) if self.reference else reference_of(row)
        texts = self._texts(row)
        if value is None:
            return f"the row has no column {self.reference or '`solution` or `answer`'}"
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int):
            index = value - self.first
            if 0 <= index < (len(texts) or 26):
                return ascii_uppercase[index]
            return f"choice number {value} (counted from {self.first}) of {len(texts) or 26} does not exist"
        letter, why = _letter(str(value), texts)
        if letter is None:
            return f"the reference {str(value)[:80]!r} names no choice: {why}"
        if texts and letter not in ascii_uppercase[: len(texts)]:
            return f"the reference is {letter}, and the row has {len(texts)} choices"
        return letter


def _place(text: str, require_anchor: bool) -> tuple[str, str] | None:
    """The text that should name a choice, and how it was found."""
    tagged = last_answer_tag(text)
    boxes = _BOX.findall(text if tagged is None else tagged)
    if boxes:
        return boxes[-1], "box"
    if tagged is not None:
        phrases = list(_PHRASE.finditer(tagged))
        return (tagged[phrases[-1].end() :] if phrases else tagged), "answer tag"
    phrases = list(_PHRASE.finditer(text))
    if phrases:
        stated = text[phrases[-1].end() :].lstrip(" *\n").split("\n", 1)[0]
        return stated, "phrase"
    lines = [line for line in text.splitlines() if line.strip()]
    if require_anchor or not lines:
        return None
    return lines[-1], "last line"


def _letter(text: str, texts: Sequence[str]) -> tuple[str | None, str]:
    """The letter that a text names and the rule, or None and why not."""
    plain = _MARK_UP.sub("", text).strip()
    alone = _ALONE.fullmatch(plain)
    if alone:
        return alone.group(1).upper(), "a letter"
    matches = [ascii_uppercase[i] for i, choice in enumerate(texts[:26]) if _same(plain, choice)]
    if len(matches) == 1:
        return matches[0], "the text of a choice"
    letters = {first or second for first, second in _BRACKETED.findall(plain)}
    if len(letters) > 1:
        return None, f"it names {', '.join(sorted(letters))}"
    named = _WITH_TEXT.fullmatch(plain)
    if named is None:
        return None, "neither a letter nor the text of one choice"
    letter, behind = named.group(1) or named.group(2), named.group(3)
    others = [ascii_uppercase[i] for i, choice in enumerate(texts[:26]) if _same(behind, choice)]
    if others and letter not in others:
        return None, f"it says {letter}, with the text of {others[0]}"
    return letter, "a letter before a text"


def _same(text: str, choice: str) -> bool:
    """Equal but for spaces, letter case, mark-up and a final dot."""
    return _plain(text) == _plain(choice) != ""


def _plain(text: str) -> str:
    return " ".join(_MARK_UP.sub("", text).split()).rstrip(".。").casefold()
