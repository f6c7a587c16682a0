"""The outside of a completion: how it ended, how long it is, its paragraphs and code blocks.

A line ends with LF, CRLF or CR. Nothing here is a regular expression, and each takes time linear in the text.
"""

from collections.abc import Callable, Iterator, Mapping

from grpo.filters.rows import Row
from grpo.recipe.filters import CodeBlocks, Length, Paragraphs
from rewards.reasoning import after_reasoning, reasoning_of

_PARTS: Mapping[str, Callable[[str], str]] = {"reasoning": reasoning_of, "answer": after_reasoning, "all": str}


def finished(row: Row) -> str | None:
    """Why the completion is rejected, or None."""
    if row.finish_reason == "stop":
        return None
    return f"truncated after {row.tokens:,} tokens (finish reason {row.finish_reason!r})"


def length(settings: Length, row: Row) -> str | None:
    """Why the completion is rejected, or None."""
    if settings.min_tokens is not None and row.tokens < settings.min_tokens:
        return f"{row.tokens:,} tokens, at least {settings.min_tokens:,}"
    if settings.max_tokens is not None and row.tokens > settings.max_tokens:
        return f"{row.tokens:,} tokens, at most {settings.max_tokens:,}"
    return None


def paragraphs(settings: Paragraphs, row: Row) -> str | None:
    """Why the completion is rejected, or None."""
    longest = max(_paragraph_lengths(_PARTS[settings.part](row.completion)), default=0)
    if longest <= settings.max_characters:
        return None
    return f"longest paragraph {longest:,} characters, at most {settings.max_characters:,}"


def code_blocks(settings: CodeBlocks, row: Row) -> str | None:
    """Why the completion is rejected, or None."""
    count = count_code_blocks(_PARTS[settings.part](row.completion))
    return None if count == 0 else f"{count:,} fenced code block{'s' if count > 1 else ''}"


def count_code_blocks(text: str) -> int:
    """Fenced code blocks, as CommonMark has them, at any depth: indented fences and those in quotes count as well,
    since models put code into lists. One that is not closed runs to the end of the text."""
    count, opened = 0, ""
    for line in _lines(text):
        fence, rest = _fence(line)
        if not fence:
            continue
        if not opened:
            count, opened = count + 1, fence
        elif fence[0] == opened[0] and len(fence) >= len(opened) and not rest.strip():
            opened = ""
    return count


def _fence(line: str) -> tuple[str, str]:
    """Three or more backticks or tildes at the start of a line and what follows them; empty where there are none.
    Backticks with another backtick in the line are code within a sentence."""
    text = line.lstrip(" \t>")
    mark = text[:1]
    if mark not in ("`", "~"):
        return "", ""
    rest = text.lstrip(mark)
    size = len(text) - len(rest)
    return (text[:size], rest) if size >= 3 and not (mark == "`" and "`" in rest) else ("", "")


def _paragraph_lengths(text: str) -> Iterator[int]:
    """Characters of each paragraph, without the spaces around it."""
    paragraph: list[str] = []
    for line in [*_lines(text), ""]:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield len("\n".join(paragraph).strip())
            paragraph = []


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
