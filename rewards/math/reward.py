r"""The math reward: 1.0 where the final answer of a completion is the row's reference, else 0.0.

    reference "0.5", completion "<think>…</think> so \boxed{\frac12}"   → scored 1.0, "equal numbers"
    reference "0.5", completion "I give up"                             → scored 0.0, "no answer"
    reference "",    any completion                                     → bad_reference

Where the answer stands: `extract`. When it is equal: `compare`.
"""

import functools
from collections.abc import Mapping
from typing import Any

from rewards.errors import RewardError
from rewards.math.anchors import anchored
from rewards.math.compare import decide
from rewards.math.decision import Mode
from rewards.math.extract import extract_answer, last_number
from rewards.math.numbers import read_number
from rewards.math.prose import MAX_ANSWER, MAX_WHOLE, Found, is_formula
from rewards.protocol import RowReward, reference_of
from rewards.verdict import Verdict, scored


class MathReward(RowReward):
    """Judges the final answer by value.

    require_anchor: the answer counts only in `<answer>` tags, a box, after `####` or after "the answer is"; for tasks
        whose format is part of the task.
    extract: `answer` (the rules of `extract`) or `last_number` (the last number anywhere in the text, format and
        reasoning ignored: the lenient figure beside the strict one).
    reference: name of the column with the reference; None takes `solution`, else `answer`.
    strict: names of variables and forms must match, not just values (see `decision.Mode`; of the comparison only).
    set_relations: an inequality is the interval that it describes.

    Raises RewardError for values that these cannot have.
    """

    name = "math"

    def __init__(
        self,
        require_anchor: bool = False,
        extract: str = "answer",
        reference: str | None = None,
        strict: bool = True,
        set_relations: bool = False,
    ) -> None:
        if extract not in ("answer", "last_number"):
            raise RewardError(f"math: extract is `answer` or `last_number`, got {extract!r}")
        if extract == "last_number" and require_anchor:
            raise RewardError("math: `require_anchor` contradicts `extract: last_number`, which looks at no anchor")
        self.require_anchor, self.extract, self.reference = require_anchor, extract, reference
        self.mode = Mode(strict=strict, set_relations=set_relations)

    def warm_up(self) -> None:
        from rewards.math import symbolic

        symbolic.warm_up()

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        reference, fault = self._reference(row)
        if reference is None:
            return Verdict("bad_reference", detail=fault)
        found = self._found(completion)
        if found is None:
            return scored(0.0, "no answer" + (" at an anchor" if self.require_anchor else ""))
        if len(found.text) > MAX_ANSWER:
            return scored(0.0, f"the answer ({found.how}) is longer than {MAX_ANSWER} characters")
        decision = decide(reference, found.text, self.mode)
        why = f"{found.how} {found.text!r} against {reference!r}: {decision.why}"
        return scored(decision.equal, why, votes_as(found.text))

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        return self._reference(row)[1] or None

    def _found(self, completion: str) -> Found | None:
        if self.extract == "last_number":
            return last_number(completion)
        return extract_answer(completion, self.require_anchor)

    def _reference(self, row: Mapping[str, Any]) -> tuple[str | None, str]:
        value = row.get(self.reference) if self.reference else reference_of(row)
        if value is None:
            return None, f"the row has no column {self.reference or '`solution` or `answer`'}"
        if isinstance(value, float) and not value.is_integer():
            return repr(value), ""
        return read_reference(str(int(value)) if isinstance(value, float) else str(value))


def votes_as(answer: str) -> str:
    """The answer as it votes: a plain number by its value, any other text without its spaces."""
    number = read_number(answer)
    return "".join(answer.split()) if number is None else str(number.value)


@functools.lru_cache(maxsize=4096)
def read_reference(text: str) -> tuple[str | None, str]:
    """The answer in a reference (a number, LaTeX with or without dollar signs, `#### 42`, or a worked solution), and
    why there is none."""
    stripped = text.strip()
    if not stripped:
        return None, "the reference is empty"
    stated = anchored(stripped)
    if stated is not None:
        stripped = stated.text
    elif (len(stripped) > MAX_WHOLE or "\n" in stripped) and not is_formula(stripped):
        found = extract_answer(stripped)
        if found is None:
            return None, f"no answer in the reference {text[:80]!r}"
        stripped = found.text
    if len(stripped) > MAX_ANSWER:
        return None, f"the reference is longer than {MAX_ANSWER} characters: {text[:80]!r}"
    return stripped, ""
