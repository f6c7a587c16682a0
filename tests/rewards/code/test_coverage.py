"""The reference solutions of public data sets through the sandbox. Absent from a plain clone; where they are, they
pass."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rewards.code import CodeReward

DATA = Path(__file__).parents[3].parent / "shared" / "data"


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this clone")
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.decode().splitlines()]


def failures(code: CodeReward, programs: list[tuple[str, dict[str, Any]]]) -> list[str]:
    verdicts = [(row["task_id"], code.judge_one(program, row)) for program, row in programs]
    return [f"{task}: {verdict.detail}" for task, verdict in verdicts if verdict.score != 1.0]


@pytest.mark.slow
def test_humaneval_solutions_pass_as_continuations(code: CodeReward) -> None:
    assert failures(code, [(row["canonical_solution"], row) for row in rows("humaneval/HumanEval.jsonl.gz")]) == []


@pytest.mark.slow
def test_humaneval_solutions_pass_as_blocks(code: CodeReward) -> None:
    found = rows("humaneval/HumanEval.jsonl.gz")
    assert failures(code, [(f"```python\n{r['prompt']}{r['canonical_solution']}\n```", r) for r in found]) == []


def test_no_program_passes_humaneval_by_claiming_equality(code: CodeReward) -> None:
    hack = "class E(int):\n    def __eq__(s, o): return True\ndef {}(*a, **k): return E()"
    found = rows("humaneval/HumanEval.jsonl.gz")[::8]
    assert len(failures(code, [(hack.format(row["entry_point"]), row) for row in found])) == len(found)


@pytest.mark.slow
def test_mbpp_solutions_pass(code: CodeReward, record_property: Any) -> None:
    found = rows("mbpp/mbpp_sanitized.jsonl")
    failed = failures(code, [(f"```python\n{row['code']}\n```", row) for row in found])
    record_property("passed", f"{len(found) - len(failed)} of {len(found)}")
    assert len(failed) <= len(found) // 100, failed


def test_some_humaneval_solutions_pass(code: CodeReward) -> None:
    found = rows("humaneval/HumanEval.jsonl.gz")
    some = [found[32], found[38], found[50], *found[::16]]  # the first three use helpers of the prompt
    assert failures(code, [(row["canonical_solution"], row) for row in some]) == []


def test_some_mbpp_solutions_pass(code: CodeReward) -> None:
    found = rows("mbpp/mbpp_sanitized.jsonl")[::20]
    assert failures(code, [(f"```python\n{row['code']}\n```", row) for row in found]) == []
