r"""Which number is the largest, or the smallest: `source: task:comparison`, multiple choice for the `choice` reward.

    comparison(level=2, count=1, solutions=True)  →
    {"prompt": "largest? A 47 B 85 C 12\n", "solution": "B", "choices": ["47", "85", "12"], "level": 2,
     "completion": "<answer>B</answer>"}

The completion answers at once, without a thought. Beside the worked solutions of `task:arithmetic` it stands for the
general data, which asks for no reasoning, of R1's second SFT and of its RL for all scenarios.
"""

from dataclasses import dataclass
from random import Random
from string import ascii_uppercase
from typing import Any

from grpo.data.tasks.draw import draw_number, draw_problems, share

# level → (how many choices, what is asked for, digits of a number: fewest, most)
LEVELS: dict[int, tuple[int, tuple[str, ...], tuple[int, int]]] = {
    1: (2, ("largest",), (2, 2)),
    2: (3, ("largest", "smallest"), (2, 2)),
    3: (4, ("largest", "smallest"), (2, 3)),
}


@dataclass(frozen=True, slots=True)
class Question:
    """asked: `largest` or `smallest`; numbers: all different, in the order of their letters."""

    asked: str
    numbers: tuple[int, ...]

    @property
    def letters(self) -> str:
        return ascii_uppercase[: len(self.numbers)]

    @property
    def right(self) -> str:
        wanted = {"largest": max, "smallest": min}[self.asked](self.numbers)
        return self.letters[self.numbers.index(wanted)]

    @property
    def key(self) -> tuple[int, ...]:
        """The same in any order and for both questions, so that one of them in training gives no other away."""
        return tuple(sorted(self.numbers))


def comparison(
    *,
    seed: int = 0,
    split: str = "train",
    count: int = 1000,
    level: int = 1,
    solutions: bool = False,
    error_rate: float = 0.0,
    format_error_rate: float = 0.0,
) -> list[dict[str, Any]]:
    """Rows with `prompt`, `solution`, `choices`, `level`, and `completion` where `solutions` is set.

    level: 1 to 3: two to four choices, from level 2 on largest or smallest, at level 3 of two to three digits.
    solutions: add `completion`, the letter in an answer tag.
    error_rate: share of completions that name another letter.
    format_error_rate: share of completions, drawn apart from that, that are the bare letter.
    """
    if level not in LEVELS:
        raise ValueError(f"levels go from 1 to {max(LEVELS)}, got {level!r}")
    if not solutions and (error_rate or format_error_rate):
        raise ValueError("error_rate and format_error_rate speak of completions: set solutions: true")
    share(error_rate, "error_rate"), share(format_error_rate, "format_error_rate")
    rows = []
    for question, random in draw_problems(
        lambda random: _make(random, level), lambda q: q.key, task="comparison", split=split, seed=seed, count=count
    ):
        listing = " ".join(
            f"{letter} {number}" for letter, number in zip(question.letters, question.numbers, strict=True)
        )
        row: dict[str, Any] = {
            "prompt": f"{question.asked}? {listing}\n",
            "solution": question.right,
            "choices": [str(number) for number in question.numbers],
            "level": level,
        }
        if solutions:
            row["completion"] = _imperfect_answer(question, error_rate, format_error_rate, random)
        rows.append(row)
    return rows


def _make(random: Random, level: int) -> Question:
    amount, questions, (fewest, most) = LEVELS[level]
    asked = random.choice(questions)
    numbers: list[int] = []
    while len(numbers) < amount:
        number = draw_number(random, fewest, most)
        if number not in numbers:
            numbers.append(number)
    return Question(asked, tuple(numbers))


def _imperfect_answer(question: Question, error_rate: float, format_error_rate: float, random: Random) -> str:
    """The right letter in its tag; with probability error_rate another letter, and independently with probability
    format_error_rate without the tag."""
    wrong, bare = random.random() < error_rate, random.random() < format_error_rate
    letter = random.choice(question.letters.replace(question.right, "")) if wrong else question.right
    return letter if bare else f"<answer>{letter}</answer>"
