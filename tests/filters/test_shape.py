"""How a completion ended, how long it is, its paragraphs and its code blocks."""

import time

import pytest

from grpo.filters.shape import count_code_blocks
from grpo.recipe.filters import CodeBlocks, Finished, Length, Paragraphs
from tests.filters.cases import reason, row

MILLION = 1_000_000


def test_a_truncated_completion_has_not_finished() -> None:
    assert reason(row(finish="stop"), Finished()) is None
    assert reason(row(finish="length", tokens=2048), Finished()) == (
        "truncated after 2,048 tokens (finish reason 'length')"
    )


def test_both_bounds_of_the_length_are_inclusive() -> None:
    band = Length(min_tokens=3, max_tokens=5)
    said = {tokens: reason(row(tokens=tokens), band) for tokens in (2, 3, 5, 6)}
    assert said == {2: "2 tokens, at least 3", 3: None, 5: None, 6: "6 tokens, at most 5"}
    assert reason(row(tokens=0), Length(max_tokens=1)) is None
    assert reason(row(tokens=1200), Length(max_tokens=1024)) == "1,200 tokens, at most 1,024"


def longest(text: str) -> int:
    """The longest paragraph, found by the filter's bound."""
    bound = 1
    while (said := reason(row(text), Paragraphs(max_characters=bound))) is not None:
        bound = int(said.split()[2].replace(",", ""))
    return bound


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("ab\ncd\n\nxyz", 5),  # the line end within counts
        ("ab\r\ncd\r\n\r\nxyz", 5),  # CRLF is one line end
        ("ab\rcd\r\rxyz", 5),
        ("ab\n \t \nxyz", 3),  # a line of spaces is blank
        ("  ab\n\n  wxyz  ", 4),  # spaces around do not count
        ("a\x00b", 3),
        ("a\ud800b", 3),  # a lone surrogate is a character
        ("等于四\n\n好", 3),
    ],
)
def test_the_longest_paragraph(text: str, characters: int) -> None:
    assert longest(text) == characters


def test_a_long_paragraph_is_said_with_its_figures() -> None:
    text = "short\n\n" + "x" * 1204 + "\n\nshort"
    assert reason(row(text), Paragraphs(max_characters=800)) == "longest paragraph 1,204 characters, at most 800"
    assert reason(row(text), Paragraphs(max_characters=1204)) is None
    assert reason(row(""), Paragraphs(max_characters=1)) is None


def test_where_to_look() -> None:
    text = "<think>" + "x" * 50 + "\n```\ncode\n```\n</think>answer"
    assert reason(row(text), Paragraphs(max_characters=10, part="answer")) is None
    assert reason(row(text), Paragraphs(max_characters=10, part="reasoning")) is not None
    assert reason(row(text), CodeBlocks(part="answer")) is None
    assert reason(row(text), CodeBlocks(part="reasoning")) == "1 fenced code block"
    assert reason(row(text), CodeBlocks()) == "1 fenced code block"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("the code `x = 1` within a sentence", 0),
        ("```x = 1``` within a sentence", 0),
        ("so\n```x = 1```\nis a sentence too", 0),
        ("```python\nx = 1\n```", 1),
        ("```python\r\nx = 1\r\n```\r\n", 1),
        ("~~~\nx\n~~~\n\n```\ny\n```", 2),
        ("```\nx = 1", 1),  # not closed: runs to the end
        ("```\n~~~\nx\n~~~\n```", 1),  # another mark does not close it
        ("````\n```\nx\n```\n````", 1),  # nor do fewer
        ("```\nx\n``` not closed here\ny\n```\nz", 1),
        ("1. write\n\n       ```python\n       x\n       ```", 1),  # in a list
        ("> ```\n> x\n> ```", 1),  # in a quote
        ("``\nx\n``", 0),
        ("text ```\nx\n```", 1),  # what looks like the end opens, and nothing closes it
    ],
)
def test_code_blocks(text: str, count: int) -> None:
    assert count_code_blocks(text) == count


def test_code_blocks_are_counted_in_the_reason() -> None:
    assert reason(row("```\nx\n```\n```\ny\n```"), CodeBlocks()) == "2 fenced code blocks"
    assert reason(row("no code"), CodeBlocks()) is None


@pytest.mark.parametrize("piece", ["`", "~", "```\n", "\r\n", "\r", "\n", " ", "> ", "\x00", "\ud800", "``` `\n", "a"])
def test_a_million_characters_take_no_time(piece: str) -> None:
    text = piece * (MILLION // len(piece))
    start = time.process_time()
    reason(row(text), Paragraphs(max_characters=MILLION), CodeBlocks())
    assert time.process_time() - start < 2
