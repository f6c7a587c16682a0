"""Grading cases that other projects wrote, and MATH-500. They are no part of this repository; without them the tests
are skipped. `tests/benchmarks/math_grading.py` prints what these assert."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from rewards import MathReward
from rewards.math.compare import decide

SHARED = Path(__file__).resolve().parents[3].parent / "shared"


def rows(name: str) -> list[dict[str, Any]]:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no {path}")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def accepted(case: dict[str, Any]) -> bool:
    """A bare answer is judged in a box, as a completion would give it."""
    bare = "form=answer" in case["note"] and "\\boxed" not in case["answer"]
    completion = "\\boxed{" + case["answer"] + "}" if bare else case["answer"]
    return MathReward().judge_one(completion, {"solution": case["gold"]}).score == 1.0


def test_gsm8k_outputs() -> None:
    assert [case for case in rows("cases/gsm8k_outputs.jsonl") if accepted(case) != case["expect"]] == []


def test_math_answers(record_property: Any) -> None:
    """At least 98 % as their authors expect, and none accepted that they reject."""
    settled = [case for case in rows("cases/math_answers.jsonl") if "policy=" not in case["note"]]
    wrong = [case for case in settled if accepted(case) != case["expect"]]
    record_property("right", f"{len(settled) - len(wrong)} of {len(settled)}")
    assert not [case for case in wrong if not case["expect"]]
    assert len(wrong) <= 0.02 * len(settled), f"{len(settled) - len(wrong)} of {len(settled)}"


# Cases on which graders differ by policy: what our decision (POLICY.md) makes of each group.
POLICIES = {
    "ordered lists": {True},  # bare lists are in any order
    "33.3 vs 100/3": {False},  # no rounding below six places
    "4-digit rounding": {False},
    "rounded reference": {False},
    "unreduced fraction": {True},  # by value
    "format required": {True},  # unless `require_anchor`
    "boxed required": {True},
    "answer must come after </think>": {False},
    "[answer] bracket extraction": {True, False},  # brackets around a value are nothing; the empty text is no answer
}


def test_policy_cases_are_decided_as_written() -> None:
    for case in rows("cases/math_answers.jsonl"):
        policy = case["note"].partition("policy=")[2]
        if policy:
            decisions = next(decisions for start, decisions in POLICIES.items() if policy.startswith(start))
            expected = decisions if len(decisions) == 1 else {bool(case["answer"])}
            assert accepted(case) in expected, case


def test_math500_references_are_their_own_solutions_answers() -> None:
    reward = MathReward()
    found = rows("data/math/math500_test.jsonl")
    wrong = [row for row in found if reward.judge_one(row["solution"], {"solution": row["answer"]}).score != 1.0]
    assert len(found) == 500 and wrong == []


# The same value spelled in two ways, which is no wrong pair.
SAME_VALUE = [{"10080", r"10,\!080"}, {r"\frac14", r"\frac{1}{4}"}, {r"\$36", "36"}, {"1,-2", "-2,1"}]


def test_random_wrong_pairs_are_rejected() -> None:
    answers = sorted({row["answer"] for row in rows("data/math/math500_test.jsonl")})
    rng = random.Random(0)
    pairs = [pair for pair in (rng.sample(answers, 2) for _ in range(3100)) if set(pair) not in SAME_VALUE][:3000]
    assert len(pairs) == 3000
    assert [pair for pair in pairs if decide(*pair)] == []
