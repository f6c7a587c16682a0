"""Sums, differences and products of whole numbers: `source: task:arithmetic`.

    arithmetic(level=2, count=1, solutions=True)  →
    {"prompt": "47+85=", "solution": "132", "a": 47, "operation": "+", "b": 85, "level": 2,
     "completion": "<think>7+5=12,4+8+1=13</think>\n<answer>132</answer>"}

The bare prompt suits a tiny model that reads characters. For a real one, map it: `columns: {prompt: "What is {{a}}
{{operation}} {{b}}?"}`. The worked solution goes digit by digit from the right, as one does on paper: each step looks
at two digits and a carry, so what is learned on some operands holds for all.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

from grpo.data.tasks.draw import draw_number, draw_problems, share
from grpo.data.tasks.solutions import imperfect_solution

# level → (operations, digits of an operand: fewest, most)
LEVELS: dict[int, tuple[str, tuple[int, int]]] = {
    1: ("+", (1, 1)),
    2: ("+", (2, 2)),
    3: ("+-", (2, 2)),
    4: ("+-*", (1, 3)),
    5: ("+-*", (3, 4)),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """a operation b; for `-`, a ≥ b; for `*`, b has one digit."""

    a: int
    operation: str
    b: int

    @property
    def result(self) -> int:
        return {"+": self.a + self.b, "-": self.a - self.b, "*": self.a * self.b}[self.operation]

    @property
    def key(self) -> tuple[str, int, int]:
        """The same for 47+85 and 85+47, so that one of them in training does not give the other away."""
        low, high = sorted((self.a, self.b))
        return (self.operation, low, high)


def arithmetic(
    *,
    seed: int = 0,
    split: str = "train",
    count: int = 1000,
    level: int = 2,
    operations: str | list[str] | None = None,
    digits: int | list[int] | None = None,
    solutions: bool = False,
    error_rate: float = 0.0,
    format_error_rate: float = 0.0,
    prose_rate: float = 0.0,
) -> list[dict[str, Any]]:
    """Rows with `prompt`, `solution`, `a`, `operation`, `b`, `level`, and `completion` where `solutions` is set.

    level: 1 to 5, operations and digits that get harder; operations (of `+-*`) and digits (a number, or [fewest,
        most]) override it.
    solutions: add `completion`, a worked solution in <think>…</think><answer>…</answer> form.
    error_rate: share of solutions with a wrong habit (a forgotten carry, a guess without working it out).
    format_error_rate: share of solutions, drawn apart from that, whose form is broken (tags left out).
    prose_rate: share of solutions with steps, drawn apart from both, that tell them in words: the name of each place,
        and a closing `so`. From two digits on these are the three words that the `language` reward asks for.
    """
    kinds, (fewest, most) = _difficulty(level, operations, digits)
    if not solutions and (error_rate or format_error_rate or prose_rate):
        raise ValueError("error_rate, format_error_rate and prose_rate speak of worked solutions: set solutions: true")
    share(error_rate, "error_rate"), share(format_error_rate, "format_error_rate"), share(prose_rate, "prose_rate")

    def make(random: Random) -> Problem:
        operation = random.choice(kinds)
        a = draw_number(random, fewest, most)
        b = draw_number(random, fewest, most) if operation != "*" else random.randrange(2, 10)
        return Problem(max(a, b), operation, min(a, b)) if operation == "-" else Problem(a, operation, b)

    rows = []
    for problem, random in draw_problems(make, lambda p: p.key, task="arithmetic", split=split, seed=seed, count=count):
        row: dict[str, Any] = {
            "prompt": f"{problem.a}{problem.operation}{problem.b}=",
            "solution": str(problem.result),
            "a": problem.a,
            "operation": problem.operation,
            "b": problem.b,
            "level": level,
        }
        if solutions:
            row["completion"] = imperfect_solution(
                problem.a, problem.operation, problem.b, error_rate, format_error_rate, prose_rate, random
            )
        rows.append(row)
    return rows


def _difficulty(
    level: int, operations: str | list[str] | None, digits: int | list[int] | None
) -> tuple[str, tuple[int, int]]:
    if level not in LEVELS:
        raise ValueError(f"levels go from 1 to {max(LEVELS)}, got {level!r}")
    kinds, bounds = LEVELS[level]
    if operations is not None:
        kinds = "".join(operations)
        if not kinds or set(kinds) - set("+-*"):
            raise ValueError(f"operations are some of + - *, got {operations!r}")
    if digits is not None:
        fewest, most = (digits, digits) if isinstance(digits, int) else digits
        if not 1 <= fewest <= most:
            raise ValueError(f"digits is a number ≥ 1 or [fewest, most], got {digits!r}")
        bounds = (fewest, most)
    return kinds, bounds
