"""Accuracy on cases that others graded. Absent from a plain clone; where they are, a floor holds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rewards import MathReward
from rewards.math.compare import decide

CASES = Path(__file__).parents[2].parent / "shared" / "cases"


def cases(name: str) -> Iterator[dict[str, Any]]:
    path = CASES / name
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this clone")
    yield from (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def accepted(case: dict[str, Any]) -> bool:
    if "form=answer" in case["note"]:
        return decide(case["gold"], case["answer"])[0]
    return MathReward().judge_one(case["answer"], {"solution": case["gold"]}).score == 1.0


def test_gsm8k_outputs_are_all_judged_as_labelled() -> None:
    wrong = [case for case in cases("gsm8k_outputs.jsonl") if accepted(case) != case["expect"]]
    assert wrong == []


def test_math_answers_floor_and_no_false_positive(record_property: Any) -> None:
    plain = [case for case in cases("math_answers.jsonl") if "policy=" not in case["note"]]
    judged = [(accepted(case), case["expect"]) for case in plain]
    right = sum(is_accepted == expected for is_accepted, expected in judged)
    record_property("right", f"{right} of {len(plain)}")
    assert not any(is_accepted and not expected for is_accepted, expected in judged)
    assert right / len(plain) >= 0.92
