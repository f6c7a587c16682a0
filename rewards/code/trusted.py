"""Runs the data set's own tests, here in the judge, against a candidate that is elsewhere.

The tests are code of the data set. What they get to see of the candidate is a stand-in for its function, whose results
are plain literals (`literals`): nothing in them can make a comparison true. Only this process knows the expected
values, and only this process decides.

What one test is: an entry of a list of tests; of a single text, with `share`, each `assert` as often as it is reached
(at least once: an assert that is never reached because an exception came first has failed).
"""

import ast
import contextlib
import functools
import random
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

from rewards.code.engine import CandidateFailed, Session
from rewards.code.problems import BadRow, FunctionTests
from rewards.code.values import Function

PLACE, COUNTER = "<tests>", "__assert__"
_GENERATOR = threading.Lock()


@dataclass(slots=True)
class Tally:
    """passed of total tests; fault: of the first that failed, in words."""

    passed: int = 0
    total: int = 0
    fault: str = ""

    def add(self, fault: str | None) -> None:
        self.total += 1
        self.passed += fault is None
        self.fault = self.fault or fault or ""


def run_tests(tests: FunctionTests, session: Session, share: bool) -> Tally:
    """Run each test; without `share`, stop at the first that fails. Raises BadRow where the tests themselves are
    broken, and what `Session.call` raises but CandidateFailed."""
    functions = [Function(session, name) for name in tests.names]
    if tests.method:
        functions[0] = Function(session, tests.names[0], ("()", tests.method))
    run = _Run(tests, functions, by_assert=share and len(tests.texts) == 1)
    with _seeded():
        run.prepare()
        for text in tests.texts:
            run.one(text)
            if run.tally.fault and not share:
                break
    if run.tally.passed and not any(function.calls for function in functions):
        raise BadRow("the tests pass without calling the candidate")
    return run.tally


class _Run:
    def __init__(self, tests: FunctionTests, functions: list[Function], by_assert: bool) -> None:
        self.tests, self.functions, self.by_assert = tests, functions, by_assert
        self.tally = Tally()
        self.namespace: dict[str, Any] = {"__name__": "tests", "print": _print, COUNTER: self.count}

    def prepare(self) -> None:
        try:
            exec(_compiled(self.tests.setup, False), self.namespace)
            exec(_compiled(self.tests.given, False), self.namespace)
        except Exception as error:
            raise BadRow(f"the row's own setup raised {_words(error)}") from error
        self.namespace.update({function.__name__: function for function in self.functions})

    def one(self, text: str) -> None:
        """One text: one test, or as many as it has asserts."""
        before = self.tally.total
        fault: str | None = None
        try:
            scope = dict(self.namespace)
            exec(_compiled(text, self.by_assert), scope)
            if self.tests.calls_check:
                scope["check"](self.functions[0])
        except CandidateFailed as error:
            fault = f"{self.functions[0].__name__} {error}"
        except Exception as error:
            self.blame(error)
            fault = f"{_line(text, error)}: {self.said(error)}"
        if fault is not None or not self.by_assert:
            self.tally.add(fault)
        if self.by_assert:
            reached = self.tally.total - before
            self.tally.total += max(0, _asserts(text) - reached) if fault is not None else 0

    def count(self, condition: Callable[[], object], source: str) -> None:
        """What `assert` becomes where each counts."""
        try:
            self.tally.add(None if condition() else f"{source}: {self.said(None)}")
        except Exception as error:
            self.blame(error)
            self.tally.add(f"{source}: {self.said(error)}")

    def blame(self, error: Exception) -> None:
        """Raise BadRow where the tests are at fault, whatever the candidate does."""
        if isinstance(error, NameError | ImportError) and not getattr(error, "from_candidate", False):
            raise BadRow(f"the row's tests raised {_words(error)}") from error

    def said(self, error: Exception | None) -> str:
        """What the candidate did last."""
        called = [f for f in self.functions if f.calls] or self.functions[:1]
        words = "; ".join(f"{function.__name__} {function.last}" for function in called)
        plain = error is None or isinstance(error, AssertionError) or getattr(error, "from_candidate", False)
        return words if plain else f"{words}; the test raised {_words(error)}"


def _words(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _line(text: str, error: Exception) -> str:
    """The line of the test that raised."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == PLACE]
    source = text.splitlines()
    number = lines[-1] if lines and lines[-1] is not None else 0
    return source[number - 1].strip()[:160] if 0 < number <= len(source) else "a test"


@functools.lru_cache(maxsize=4096)
def _compiled(text: str, by_assert: bool) -> CodeType:
    tree = ast.parse(text)
    if by_assert:
        tree = ast.fix_missing_locations(_CountedAsserts().visit(tree))
    return compile(tree, PLACE, "exec")


@functools.lru_cache(maxsize=4096)
def _asserts(text: str) -> int:
    return sum(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(text)))


class _CountedAsserts(ast.NodeTransformer):
    """`assert CONDITION` → `__assert__(lambda: CONDITION, "assert CONDITION")`."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        source = ast.Constant(f"assert {ast.unparse(node.test)}"[:160])
        call = ast.Call(ast.Name(COUNTER, ast.Load()), [ast.Lambda(nothing, node.test), source], [])
        return ast.copy_location(ast.Expr(call), node)


def _print(*_: object, **__: object) -> None:
    """Tests that print must not write into the trainer's output."""


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """Tests that draw random numbers draw the same again. The generator is the process's, so one at a time."""
    with _GENERATOR:
        state = random.getstate()
        random.seed(0)
        try:
            yield
        finally:
            random.setstate(state)
