"""Reach a number from given ones: `source: task:countdown`. Every puzzle is made from a solution, so it has one.

    countdown(level=1, count=1)  →
    {"prompt": "Use each of the numbers 3, 7, 25 once, with + and -, to make 29.", "solution": "25+7-3",
     "target": 29, "numbers": [3, 7, 25], "level": 1}

Many expressions solve a puzzle: `solution` is the one it was made from. Its value equals the target, so the `math`
reward accepts any expression of that value; whether each number was used once is for a reward of its own, which finds
`numbers` and `target` in the row.
"""

from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

from grpo.data.tasks.draw import draw_problems

# level → (how many numbers, operations, largest number)
LEVELS: dict[int, tuple[int, str, int]] = {
    1: (3, "+-", 25),
    2: (3, "+-*", 25),
    3: (4, "+-*", 50),
    4: (4, "+-*/", 99),
    5: (5, "+-*/", 99),
}
_LARGEST_TARGET = 999


@dataclass(frozen=True, slots=True)
class Puzzle:
    """numbers: sorted; steps: the working, e.g. ["25+7=32", "32-3=29"]; solution: one expression over them."""

    numbers: tuple[int, ...]
    target: int
    solution: str
    steps: tuple[str, ...]

    @property
    def key(self) -> tuple[int, ...]:
        return (*self.numbers, self.target)


def countdown(
    *, seed: int = 0, split: str = "train", count: int = 1000, level: int = 1, solutions: bool = False
) -> list[dict[str, Any]]:
    """Rows with `prompt`, `solution`, `target`, `numbers`, `level`, and `completion` (worked) where `solutions` is set.

    level: 1 to 5: three to five numbers, more operations, larger numbers.
    """
    if level not in LEVELS:
        raise ValueError(f"levels go from 1 to {max(LEVELS)}, got {level!r}")
    kinds = LEVELS[level][1]
    signs = " and ".join((", ".join(kinds[:-1]), kinds[-1]))
    rows = []
    for puzzle, _ in draw_problems(
        lambda random: _make(random, level), lambda p: p.key, task="countdown", split=split, seed=seed, count=count
    ):
        listing = ", ".join(map(str, puzzle.numbers))
        row: dict[str, Any] = {
            "prompt": f"Use each of the numbers {listing} once, with {signs}, to make {puzzle.target}.",
            "solution": puzzle.solution,
            "target": puzzle.target,
            "numbers": list(puzzle.numbers),
            "level": level,
        }
        if solutions:
            row["completion"] = f"<think>{', '.join(puzzle.steps)}</think>\n<answer>{puzzle.solution}</answer>"
        rows.append(row)
    return rows


def _make(random: Random, level: int) -> Puzzle:
    """Joins the numbers two by two until one value is left; draws again where that is no whole target in range."""
    amount, kinds, largest = LEVELS[level]
    while True:
        numbers = [random.randint(1, largest) for _ in range(amount)]
        parts = [(Fraction(number), str(number)) for number in numbers]
        steps: list[str] = []
        while len(parts) > 1 and _join(parts, steps, random.choice(kinds), random):
            pass
        value, text = parts[0]
        if len(parts) == 1 and value.denominator == 1 and 1 <= value <= _LARGEST_TARGET:
            return Puzzle(tuple(sorted(numbers)), int(value), text, tuple(steps))


def _join(parts: list[tuple[Fraction, str]], steps: list[str], operation: str, random: Random) -> bool:
    """Replaces two random parts by their join; False where it has no whole positive value (the puzzle is given up)."""
    (x, left), (y, right) = (parts.pop(random.randrange(len(parts))) for _ in range(2))
    value = {"+": x + y, "-": x - y, "*": x * y, "/": x / y}[operation]
    parts.append((value, _expression(left, operation, right)))
    steps.append(f"{x}{operation}{y}={value}")
    return value > 0 and value.denominator == 1


def _expression(left: str, operation: str, right: str) -> str:
    """left operation right, with brackets where precedence asks for them."""
    if operation in "*/" and any(sign in left for sign in "+-"):
        left = f"({left})"
    if (operation in "-*/" and any(sign in right for sign in "+-")) or (operation == "/" and not right.isdigit()):
        right = f"({right})"
    return f"{left}{operation}{right}"
