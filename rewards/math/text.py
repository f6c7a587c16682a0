r"""Answers in words: `\text{Evelyn}`, `yes`, `(B)`, `\textbf{(C)}\ 12`, and the labels of several parts."""

import re

_CHOICE = re.compile(r"(?:\(([A-J])\)|([A-J])[).:])\s*(.*)", re.DOTALL)
_TEXT_CHOICE = re.compile(r"\\text\{\s*(?:\(([A-J])\)|([A-J])[).:])\s*\}\s*(.*)", re.DOTALL)
_LABEL = re.compile(r"(?:\\text\{\s*)?\(?([a-h]|i{1,3}|iv|vi?|[1-9])\)\s*:?\s*\}?\s*:?\s*(?=\S)")
_LABELS = ("abcdefgh", "123456789", ("i", "ii", "iii", "iv", "v", "vi"))
_SYNONYMS = {
    "no solution": r"\emptyset",
    "no solutions": r"\emptyset",
    "no real solution": r"\emptyset",
    "no real solutions": r"\emptyset",
    "empty set": r"\emptyset",
    "the empty set": r"\emptyset",
    "无解": r"\emptyset",
    "空集": r"\emptyset",
    "all real numbers": r"(-\infty,\infty)",
    "all reals": r"(-\infty,\infty)",
    "全体实数": r"(-\infty,\infty)",
    "是": "yes",
    "否": "no",
}


def plain_words(normalized: str) -> str:
    r"""Text answers alike: `\text{ Evelyn }`, `evelyn.` → `evelyn`."""
    inner = re.sub(r"\\text\{([^{}]*)\}", r"\1", normalized)
    return re.sub(r"\s+", " ", inner.strip(" .!?'\"`*()")).casefold()


def without_words(normalized: str) -> str:
    """Sets that are also said in words, as the set; anything else as it is."""
    return _SYNONYMS.get(plain_words(normalized), normalized)


def is_text(formula: str) -> bool:
    r"""Words rather than mathematics: `\text{even}`, `Evelyn`, `12:00`, `ABC`."""
    if re.fullmatch(r"[A-Z]{2,}", formula):
        return True
    bare = re.sub(r"\\[a-zA-Z]+\s*", " ", re.sub(r"\\text\{([a-zA-Z])\}", r"\1", formula))
    known = re.sub(r"(?<![a-zA-Z])(?:sqrt|exp|log|ln|sin|cos|tan|pi)(?![a-zA-Z])", "", bare)
    return "\\text" in re.sub(r"\\text\{[a-zA-Z]\}", "", formula) or bool(re.search(r"[a-zA-Z]{4,}|\d:\d", known))


def split_choice(normalized: str) -> tuple[str, str]:
    r"""The letter of a multiple choice and what stands behind it: `(B) 42` → ("B", "42"), `B` → ("B", ""); two empty
    texts for anything else."""
    if re.fullmatch(r"[A-J]", normalized):
        return normalized, ""
    match = _TEXT_CHOICE.fullmatch(normalized) or _CHOICE.fullmatch(normalized)
    return ((match[1] or match[2]), match[3].strip()) if match else ("", "")


def without_labels(parts: list[str]) -> list[str] | None:
    """Parts that are all labelled in sequence, `(a) 3` and `(b) 4`, without the labels; None for any others."""
    matches = [_LABEL.match(part) for part in parts]
    labels = [match[1] for match in matches if match]
    if len(labels) != len(parts) or not any(labels == list(series[: len(parts)]) for series in _LABELS):
        return None
    return [part[match.end() :] for part, match in zip(parts, matches, strict=True) if match]
