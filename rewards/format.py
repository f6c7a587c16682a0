"""Form of the answer, as DeepSeek-R1-Zero asks for it (arXiv 2501.12948, table 1):

    <think> reasoning </think> <answer> answer </answer>      → 1.0

The whole completion must have the form, each tag once, in order, with something in both parts: text after `</answer>`,
a second answer or an empty reasoning scores 0.0. Where the prompt already ends with `<think>` (many chat templates, and
R1-Zero's own), the completion begins inside the reasoning and must not open it again.

A pattern of your own may take forever on some texts (nested repetition): in a worker the deadline of the judgement ends
it, and the verdict is `timeout`. Called directly, as TRL does, there is no deadline.
"""

import re
from collections.abc import Mapping
from typing import Any

from rewards.errors import RewardError
from rewards.protocol import RowReward, prompt_tail
from rewards.verdict import Verdict, scored

STYLES: dict[str, tuple[str, ...]] = {
    "think_answer": ("<think>", "</think>", "<answer>", "</answer>"),
    "think": ("<think>", "</think>"),
    "answer": ("<answer>", "</answer>"),
}


class FormatReward(RowReward):
    """1.0 for a completion that has the form, else 0.0.

    style: `think_answer`; `think` (reasoning, then free text as the answer); `answer` (free text, then the answer
        tags at the end).
    pattern: a regular expression of your own that the whole completion must match, instead of a style. A dot matches
        line ends too. It sees the completion alone: what the prompt opened is not part of it.
    prefilled: whether the prompt ends with `<think>`; None looks at the prompt. A trainer that hands over messages and
        not the rendered prompt (TRL) cannot show it: say it there.
    """

    name = "format"

    def __init__(self, style: str = "think_answer", pattern: str | None = None, prefilled: bool | None = None) -> None:
        if style not in STYLES:
            raise RewardError(f"format: no style {style!r}; there are {', '.join(STYLES)}, or give `pattern`")
        self.tags = STYLES[style]
        self.prefilled = prefilled
        self.pattern = None if pattern is None else _compiled(pattern)

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        if self.pattern is not None:
            matched = self.pattern.fullmatch(completion) is not None
            return scored(matched, "matches the pattern" if matched else "does not match the pattern")
        fault = self._fault(completion, self._is_prefilled(row))
        return scored(fault is None, fault or "has the form")

    def _is_prefilled(self, row: Mapping[str, Any]) -> bool:
        if self.tags[0] != "<think>":
            return False
        if self.prefilled is not None:
            return self.prefilled
        return prompt_tail(row).rstrip().endswith("<think>")

    def _fault(self, completion: str, prefilled: bool) -> str | None:
        """What is wrong with the form, or None."""
        text = "<think>" + completion if prefilled else completion
        for tag in self.tags:
            if text.count(tag) != 1:
                seen = completion.count(tag)
                return f"{tag} occurs {seen} times" + (" though the prompt opened it" if text != completion else "")
        # The tags cut the text into what stands before the first, between each two, and after the last.
        parts, rest = [], text
        for tag in self.tags:
            before, found, rest = rest.partition(tag)
            if not found:
                return f"{tag} is out of order"
            parts.append(before)
        parts.append(rest)
        return self._blank_or_stray(parts)

    def _blank_or_stray(self, parts: list[str]) -> str | None:
        blank = [_is_blank(part) for part in parts]
        if self.tags[0] == "<think>":
            if not blank[0]:
                return "text before <think>"
            if blank[1]:
                return "the reasoning is empty"
        if len(self.tags) == 4 and not blank[2]:
            return "text between </think> and <answer>"
        if self.tags == STYLES["think"]:
            return "no answer after </think>" if blank[2] else None
        if blank[-2]:
            return "the answer is empty"
        return None if blank[-1] else "text after </answer>"


def _is_blank(text: str) -> bool:
    """Nothing to be seen: spaces, line ends, and characters without a shape, such as the zero-width space."""
    return not any(char.isprintable() and not char.isspace() for char in text)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise RewardError(f"format: the pattern {pattern!r} is no regular expression: {error}") from error
