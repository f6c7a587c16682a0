"""From a row of data to a problem: what a program is asked for, and how it is tested.

    {"test_list": ["assert add(1, 2) == 3"], "test_imports": []}                     MBPP
    {"test": "def check(candidate): …", "entry_point": "add", "prompt": "def add…"}  HumanEval
    {"tests": "assert add(1, 2) == 3", "entry_point": "add"}                         plain asserts, a text or a list
    {"cases": [{"input": "1 2\\n", "output": "3\\n"}]}                               a script, by stdin and stdout

Tests are code of the data set: they are trusted, and run in the judge. They must not execute what a candidate gives
back: tests that name `eval`, `exec` and the like are refused. A row's code that candidates may build on (HumanEval's
`prompt` with its helpers) is taken from the column `code_prompt`, else from `prompt` where that is nothing but Python
and defines the entry point (not so where a chat template is rendered into it: keep the code in `code_prompt` then).
"""

import ast
import builtins
import functools
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_CASES = 1000
# What would run, open or unpickle text that a candidate returned.
REFUSED = frozenset(
    (
        "eval",
        "exec",
        "compile",
        "open",
        "input",
        "breakpoint",
        "__import__",
        "pickle",
        "marshal",
        "subprocess",
        "ctypes",
    )
)
_METHOD = re.compile(r"([A-Za-z_]\w*)\(\)\.([A-Za-z_]\w*)")


class BadRow(ValueError):
    """Why a row is no problem."""


@dataclass(frozen=True, slots=True)
class FunctionTests:
    """A function problem. texts: each one a test. setup: trusted code that comes before them. given: code that judge
    and candidate both start with. names: what the candidate must define; the first is what is asked for, with
    `method` as a method of that class. calls_check: the text defines `check(candidate)`."""

    texts: tuple[str, ...]
    setup: str
    given: str
    names: tuple[str, ...]
    method: str | None
    calls_check: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One run of a script: what it reads and what it must print."""

    stdin: str
    stdout: str


def read_problem(row: Mapping[str, Any]) -> FunctionTests | tuple[Case, ...]:
    """Raises BadRow."""
    given = [name for name in ("cases", "test_list", "tests", "test") if not _empty(row.get(name))]
    if not given:
        raise BadRow("the row has no tests: none of the columns `cases`, `test_list`, `tests`, `test` holds any")
    if len(given) > 1:
        raise BadRow(f"the row has tests in several columns ({', '.join(given)}): which of them count?")
    value = _unpacked(row[given[0]])
    if given[0] == "cases":
        return _cases(value)
    texts = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
    if not texts or not all(isinstance(text, str) for text in texts):
        raise BadRow(f"`{given[0]}` is neither a text nor a list of texts")
    imports = _unpacked(row.get("test_imports") or [])
    lines = [imports] if isinstance(imports, str) else [str(line) for line in imports]
    setup = "\n".join([*lines, str(row.get("test_setup_code") or "")])
    entry, reference = str(row.get("entry_point") or ""), row.get("code")
    prompt = row.get("code_prompt") or row.get("prompt")
    return _tests(texts, setup, entry, prompt if isinstance(prompt, str) else "", str(reference or ""))


def _empty(value: Any) -> bool:
    return (
        value is None
        or (hasattr(value, "__len__") and len(value) == 0)
        or (isinstance(value, str) and not value.strip())
    )


def _unpacked(value: Any) -> Any:
    """Lists are often kept as JSON text."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value.tolist() if hasattr(value, "tolist") else value


def _cases(value: Any) -> tuple[Case, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_CASES:
        raise BadRow(f"`cases` is not a list of at most {MAX_CASES} cases")
    cases = []
    for number, case in enumerate(value, start=1):
        if not isinstance(case, Mapping) or not all(isinstance(case.get(k), str) for k in ("input", "output")):
            raise BadRow(f"case {number} of `cases` has no texts `input` and `output`")
        cases.append(Case(case["input"], case["output"]))
    if not any(case.stdout.strip() for case in cases):
        raise BadRow("no case expects any output: a program that prints nothing would pass")
    return tuple(cases)


@functools.lru_cache(maxsize=1024)
def _tests(texts: tuple[str, ...], setup: str, entry: str, prompt: str, reference: str) -> FunctionTests:
    """Cached: a group's completions are judged by the same row."""
    method = _METHOD.fullmatch(entry)
    name = method[1] if method else entry
    if entry and not name.isidentifier():
        raise BadRow(f"`entry_point` is {entry!r}: a name, or a method as Class().method")
    trees = [_parsed(text, f"test {i}") for i, text in enumerate(texts, start=1)]
    given = prompt if name and _is_code_for(prompt, name) else ""
    before = [_parsed(setup, "`test_setup_code`"), _parsed(given, "`code_prompt`")]
    refused = sorted(REFUSED & {n for tree in [*trees, before[0]] for n in _mentioned(tree)})
    if refused:
        raise BadRow(f"the tests use {', '.join(refused)}: what a candidate returns must not be executed or opened")
    asserts = sum(isinstance(node, ast.Assert) for tree in trees for node in ast.walk(tree))
    if not asserts:
        raise BadRow("the tests hold no assert: every program would pass")
    calls_check = any(isinstance(n, ast.FunctionDef) and n.name == "check" for tree in trees for n in tree.body)
    if calls_check and not name:
        raise BadRow("the tests define `check(candidate)`, and the row has no `entry_point` to check")
    unknown, modules = _unknown_names([*before, *trees])
    if modules:
        setup = "\n".join([*(f"import {module}" for module in modules), setup])
    defined = {n.name for n in _parsed(reference, "`code`").body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    called = [n for n in dict.fromkeys(n for tree in trees for n in _mentioned(tree)) if n in defined]
    names = tuple(dict.fromkeys([*([name] if name else []), *called, *unknown]))
    if not names:
        raise BadRow("the tests call nothing that a program could define: give the function's name as `entry_point`")
    return FunctionTests(texts, setup, given, names, method[2] if method else None, calls_check)


def _parsed(text: str, place: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadRow(f"{place} is no Python: {error}") from None


def _is_code_for(prompt: str, name: str) -> bool:
    try:
        body = ast.parse(prompt).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name for node in body)


def _mentioned(tree: ast.AST) -> list[str]:
    """Names that are read, in the order of the text, and modules that are imported."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.append((node.lineno, node.col_offset, node.id))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            found += [(node.lineno, node.col_offset, module.partition(".")[0]) for module in modules]
    return [name for _, _, name in sorted(found)]


def _unknown_names(trees: list[ast.Module]) -> tuple[list[str], list[str]]:
    """Names that the tests read and nobody defines: the candidate's, and modules that someone forgot to import."""
    bound = set(vars(builtins))
    bases, read = set(), []
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            bases.add(node.value.id)
    for tree in trees:
        read += [name for name in _mentioned(tree) if name not in bound]
    free = list(dict.fromkeys(read))
    modules = [name for name in free if name in bases and name in sys.stdlib_module_names]
    return [name for name in free if name not in modules], modules
