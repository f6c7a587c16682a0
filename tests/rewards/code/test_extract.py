"""Which part of a completion is the program."""

import pytest

from rewards.code.extract import defines, extract_program

ADD = "def add(a, b):\n    return a + b\n"


def text_of(completion: str, entry: str | None = "add", require_fence: bool = False) -> str | None:
    program = extract_program(completion, entry, require_fence)
    return None if program is None else program.text


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        (f"```python\n{ADD}```", ADD),
        (f"Here:\n```py\n{ADD}```\nDone.", ADD),
        (f"```\n{ADD}```", ADD),
        (f"~~~Python3\n{ADD}~~~", ADD),
        (f"````python\n{ADD}````", ADD),
        (f"```python\ndef add(a, b): return 0\n```\nNo:\n```python\n{ADD}```", ADD),
        (f"```python\n{ADD}```\nTry it:\n```python\nprint(add(1, 2))\n```", ADD),
        (f"```python\n{ADD}```\n```text\n3\n```", ADD),
        (f"```bash\npip install x\n```\n```python\n{ADD}```", ADD),
        (f"```python\n{ADD}", ADD),
        (f"<think>```python\ndef add(a, b): return 0\n```</think>```python\n{ADD}```", ADD),
        (f"<think>x</think><answer>```python\n{ADD}```</answer> ```python\ndef add(a, b): return 0\n```", ADD),
        (f"<answer>{ADD}</answer>", ADD),
        (ADD, ADD),
        (f"<think>```python\n{ADD}```", None),
        ("```text\n3\n```", None),
        ("", None),
        ("<think>hm</think>  \n", None),
    ],
)
def test_the_block_that_counts(completion: str, expected: str | None) -> None:
    assert text_of(completion) == expected


def test_blocks_are_never_joined() -> None:
    parts = "```python\nimport math\n```\n```python\ndef area(r): return math.pi * r * r\n```"
    assert text_of(parts, "area") == "def area(r): return math.pi * r * r\n"


def test_without_a_name_the_last_block_counts() -> None:
    program = extract_program("```python\na = 1\n```\n```python\nb = 2\n```", None)
    assert program is not None and (program.text, program.how) == ("b = 2\n", "block 2 of 2")


def test_a_fence_can_be_demanded() -> None:
    assert text_of(ADD, require_fence=True) is None
    assert text_of(f"```python\n{ADD}```", require_fence=True) == ADD


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ADD, True),
        ("class add:\n    pass", True),
        ("async def add(): pass", True),
        ("add = lambda a, b: a + b", True),
        ("add == 3", False),
        ("def added(): pass", False),
        ("class A:\n    def add(self): pass", False),
        ("# def add", False),
    ],
)
def test_what_defines_a_name(text: str, found: bool) -> None:
    assert defines(text, "add") is found
