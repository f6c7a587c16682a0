"""Which part of a completion is the program.

    <think>… ```python draft``` …</think>  Here it is:
    ```python
    def add(a, b): …
    ```
    Try it: ```python print(add(1, 2)) ```          → the block that defines `add`

The rule, for what stands after the reasoning (a completion that opens `<think>` and never closes it has no program):
1. where there are `<answer>` tags, only what the last of them holds counts;
2. of the fenced blocks marked python, py, python3 or not marked, the last one that defines the function asked for;
   where the task asks for none, or no block defines it, the last one. Never several joined. A fence that is not closed
   runs to the end;
3. without any fence, the whole text (a base model's continuation), unless `require_fence`.
"""

import re
from dataclasses import dataclass

from rewards.reasoning import after_reasoning, last_answer_tag

MAX_PROGRAM = 65_536  # characters

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^\n`]*)$", re.MULTILINE)
_PYTHON = frozenset({"", "python", "py", "python3"})


@dataclass(frozen=True, slots=True)
class Program:
    """A program and how it was found: `block 2 of 3`, `whole text`."""

    text: str
    how: str


def extract_program(completion: str, entry: str | None = None, require_fence: bool = False) -> Program | None:
    """The program of a completion, or None where there is none. entry: name of the function or class asked for."""
    text = after_reasoning(completion)
    tagged = last_answer_tag(text)
    text = text if tagged is None else tagged
    blocks, fenced = _python_blocks(text)
    if not fenced:
        return None if require_fence or not text.strip() else Program(text, "whole text")
    if not blocks:
        return None
    chosen = len(blocks) - 1
    if entry is not None:
        chosen = next((i for i in reversed(range(len(blocks))) if defines(blocks[i], entry)), chosen)
    return Program(blocks[chosen], f"block {chosen + 1} of {len(blocks)}")


def defines(text: str, name: str) -> bool:
    """Whether a program binds a name at its outermost level: by def, class, or assignment."""
    bound = rf"^(?:(?:(?:async[ \t]+)?def|class)[ \t]+{re.escape(name)}\b|{re.escape(name)}[ \t]*=(?!=))"
    return re.search(bound, text, re.MULTILINE) is not None


def _python_blocks(text: str) -> tuple[list[str], bool]:
    """The blocks that are Python, and whether there was any fence at all."""
    blocks: list[str] = []
    opened: re.Match[str] | None = None
    fenced = False
    for fence in _FENCE.finditer(text):
        marks, language = fence.groups()
        fenced = True
        if opened is None:
            opened = fence
        elif marks[0] == opened[1][0] and len(marks) >= len(opened[1]) and not language.strip():
            _add(blocks, opened, text[opened.end() + 1 : fence.start()])
            opened = None
    if opened is not None:
        _add(blocks, opened, text[opened.end() + 1 :])
    return blocks, fenced


def _add(blocks: list[str], fence: re.Match[str], body: str) -> None:
    words = fence[2].split()
    if (words[0].lower() if words else "") in _PYTHON:
        blocks.append(body)
