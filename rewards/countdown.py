r"""Countdown: reach a target with given numbers, each used once (TinyZero's task; ours is `source: task:countdown`).

    numbers [3, 7, 25], target 29:    <answer>25 + 7 - 3</answer>        → 1.0
                                      <answer>(7 - 3) + 25 = 29</answer> → 1.0
                                      <answer>25 + 4</answer>            → 0.0, "4 is not among the numbers"
                                      <answer>29</answer>                → 0.0, "29 is not among the numbers"

The expression stands in the last `<answer>` after the reasoning, else in the last `\boxed{}`, else (unless
`require_anchor`) it is the last line. `expression = number` is read too, where the number is the target. What an
expression may hold: `rewards.expression`.

The row's columns are `target` and `numbers`, or TinyZero's `nums`.
"""

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rewards.errors import RewardError
from rewards.expression import ExpressionError, evaluate
from rewards.protocol import RowReward
from rewards.reasoning import after_reasoning, last_answer_tag
from rewards.verdict import Verdict, scored

_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]++|\{[^{}]*+\})*+)\}")
MAX_TEXT = 20_000  # characters after the reasoning that are looked at, from the end


class CountdownReward(RowReward):
    """1.0 where the expression has the target's value and uses the numbers as asked, else 0.0.

    use: `all` (each number exactly once) or `subset` (each at most once).
    require_anchor: the expression counts only in `<answer>` tags or a box.
    """

    name = "countdown"

    def __init__(self, use: str = "all", require_anchor: bool = False) -> None:
        if use not in ("all", "subset"):
            raise RewardError(f"countdown: `use` is `all` or `subset`, got {use!r}")
        self.use, self.require_anchor = use, require_anchor

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        puzzle = _puzzle(row)
        return puzzle if isinstance(puzzle, str) else None

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        puzzle = _puzzle(row)
        if isinstance(puzzle, str):
            return Verdict("bad_reference", detail=puzzle)
        numbers, target = puzzle
        text = _expression(after_reasoning(completion)[-MAX_TEXT:], self.require_anchor)
        if text is None:
            return scored(0.0, "no expression" + (" in answer tags or a box" if self.require_anchor else ""))
        left, equals, right = text.partition("=")
        try:
            value, used = evaluate(left, len(numbers))
            stated = evaluate(right, 1)[0] if equals else target
        except ExpressionError as error:
            return scored(0.0, f"{text[:80]!r}: {error}")
        fault = self._fault(Counter(used), Counter(numbers))
        if fault is None and value != target:
            fault = f"its value is {value}, the target {target}"
        if fault is None and stated != target:
            fault = f"it is said to be {stated}, the target is {target}"
        return scored(fault is None, f"{text.strip()!r}: {fault or f'is {target}, numbers used as asked'}")

    def _fault(self, used: Counter[int], given: Counter[int]) -> str | None:
        for number, times in (used - given).items():
            if number not in given:
                return f"{number} is not among the numbers"
            return f"{number} is used {times} times more than given"
        for number in given - used if self.use == "all" else ():
            return f"{number} is not used"
        return None


def _expression(text: str, require_anchor: bool) -> str | None:
    """The text of the expression, without the mark-up around it; None where there is none."""
    found = last_answer_tag(text)
    boxes = _BOX.findall(text if found is None else found)
    if boxes:
        found = boxes[-1]
    if found is None and not require_anchor:
        lines = [line for line in text.splitlines() if line.strip()]
        found = lines[-1] if lines else None
    return found.strip().strip("$`*").strip() if found and found.strip() else None


def _puzzle(row: Mapping[str, Any]) -> tuple[list[int], Fraction] | str:
    """Numbers and target of a row, or what is wrong with them."""
    numbers = row.get("numbers") if row.get("numbers") is not None else row.get("nums")
    target = row.get("target")
    if numbers is None or target is None:
        return "the row needs the columns `target` and `numbers` (or `nums`)"
    if isinstance(numbers, str) or not hasattr(numbers, "__iter__"):
        return f"`numbers` is a list of whole numbers, got {numbers!r}"
    whole = [_whole(number) for number in numbers]
    goal = _whole(target)
    if not whole or goal is None or None in whole:
        return f"`numbers` and `target` are whole numbers, got {list(numbers)!r} and {target!r}"
    return [number for number in whole if number is not None], Fraction(goal)


def _whole(value: Any) -> int | None:
    """A whole number as data files have it: 25, 25.0 or "25"; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value) else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return int(value) if hasattr(value, "__index__") else None
