"""The table of a run: policies by benchmarks."""

from typing import Any

from grpo.pipeline.table import table
from grpo.recipe.schema import Recipe
from grpo.stages.stage import StageResult

RL = {"kind": "rl", "data": {"source": "a.jsonl"}, "rewards": ["math"], "steps": 1}
EXAM = {"kind": "evaluate", "benchmarks": {"sums": {"data": {"source": "a.jsonl"}, "rewards": ["math"]}}}


def stages(**more: dict[str, Any]) -> Any:
    made = {"zero": RL, "exam_base": EXAM | {"policy": "base"}, "exam_zero": EXAM} | more
    return Recipe.model_validate({"model": {"path": "m"}, "run_dir": "r", "stages": made}).stages


def figures(value: float, **more: float) -> StageResult:
    found = {"sums.pass@1": value, "sums.pass@1_low": value - 0.1, "sums.pass@1_high": value + 0.1}
    return StageResult(None, found | {"sums.completions/mean_length": 9.0} | more)


def test_policies_by_benchmarks_in_percent() -> None:
    results = {
        "zero": StageResult("p", {"eval/pass@1": 0.7}),
        "exam_base": figures(0.25),
        "exam_zero": figures(0.7, **{"sums.pass@4": 0.9, "sums.maj@4": 0.8, "sums.language/pass@1": 0.5}),
    }
    assert table(stages(), results) == (
        "| policy | sums pass@1       | sums maj@4 | sums pass@4 | sums language/pass@1 |\n"
        "|--------|-------------------|------------|-------------|----------------------|\n"
        "| base   | 25.0 [15.0, 35.0] |            |             |                      |\n"
        "| zero   | 70.0 [60.0, 80.0] | 80.0       | 90.0        | 50.0                 |\n"
    )


def test_two_exams_of_one_policy_are_told_apart_and_no_exam_is_no_table() -> None:
    results = {"exam_zero": figures(0.5), "again": figures(0.6)}
    lines = table(stages(again=EXAM), results).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| zero (exam_zero)", "| zero (again)    "]
    assert table(stages(), {"zero": StageResult("p", {})}) == ""
