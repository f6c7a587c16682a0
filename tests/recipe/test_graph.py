"""Stages as a graph: what each needs, in which order they can run, and what is refused."""

from typing import Any

import pytest

from grpo.errors import UserError
from grpo.recipe.fields import Model
from grpo.recipe.graph import Needs, model_of, needs, order
from grpo.recipe.load import load_recipe
from grpo.recipe.schema import Recipe
from grpo.recipe.stage_base import Condition

SFT = {"kind": "sft", "data": {"source": "a.jsonl"}, "steps": 1}
RL = {"kind": "rl", "data": {"source": "a.jsonl"}, "rewards": ["math"], "steps": 1}
SAMPLE = {"kind": "sample", "data": {"source": "a.jsonl"}, "rewards": ["math"]}
EXAM = {"kind": "evaluate", "benchmarks": {"gsm8k": {"data": {"source": "a.jsonl"}, "rewards": ["math"]}}}


def recipe(**stages: dict[str, Any]) -> Recipe:
    return Recipe.model_validate({"model": {"path": "m"}, "run_dir": "r", "stages": stages})


def r1(**changes: dict[str, Any]) -> Recipe:
    """R1 in small: cold start and SFT both from the base, each on rows that an RL stage's policy sampled."""
    stages = {
        "zero": RL,
        "traces": SAMPLE,
        "cold_start": SFT | {"policy": "base", "data": {"source": "stage:traces"}},
        "reasoning": RL,
        "rejection": SAMPLE,
        "sft": SFT | {"policy": "base", "data": {"source": "stage:rejection"}},
        "exam": EXAM | {"policy": "sft"},
        "rl_all": RL | {"policy": "sft", "require": {"exam.gsm8k.pass@1": ">= 40%"}},
    }
    return recipe(**{name: stage | changes.get(name, {}) for name, stage in stages.items()})


def test_what_the_stages_of_r1_need() -> None:
    stages = r1().stages
    assert needs(stages, "zero") == Needs("base", (), ())
    assert needs(stages, "traces") == Needs("zero", (), ())
    assert needs(stages, "cold_start") == Needs("base", ("traces",), ())
    assert needs(stages, "reasoning").policy == "cold_start"  # the nearest before it that trains a policy
    assert needs(stages, "rejection").policy == "reasoning"
    assert needs(stages, "rl_all") == Needs("sft", (), ("exam",))
    assert order(stages) == list(stages)


def test_the_order_of_the_file_gives_way_to_what_a_stage_needs() -> None:
    stages = recipe(
        late=SFT | {"policy": "base", "data": {"source": "stage:rows"}},
        exam=EXAM | {"policy": "late"},
        rows=SAMPLE | {"policy": "zero"},
        zero=RL | {"policy": "base"},
        alone=RL | {"policy": "base"},
    ).stages
    assert order(stages) == ["zero", "rows", "late", "exam", "alone"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reasoning": {"policy": "exam"}}, "stages.reasoning.policy: no stage 'exam' that makes a policy"),
        ({"sft": {"data": {"source": "stage:zero"}}}, "no stage 'zero' that makes rows (known: traces, rejection)"),
        ({"rl_all": {"require": {"exm.pass@1": ">= 1"}}}, "stages.rl_all.require: no stage 'exm' that makes figures"),
        ({"zero": {"policy": "sft"}}, "stages need each other in a circle: "),
        ({"rl_all": {"model": "m2"}}, "stages.rl_all.model: it starts from the policy of sft, which is a model"),
        ({"rl_all": {"reference": "stage:exam", "beta": 1}}, "stages.rl_all.reference: no stage 'exam' that makes a"),
        ({"rl_all": {"reference": "stage:base", "beta": 1}}, "stages.rl_all.reference: no stage 'base' that makes a"),
        ({"zero": {"reference": "stage:sft", "beta": 1}}, "stages need each other in a circle: "),
        ({"rl_all": {"require": {"exam": ">= 1"}}}, "'exam' given; must be STAGE.METRIC"),
        ({"rl_all": {"require": {"exam.x": "about 1"}}}, "'about 1' given; must be a comparison such as '>= 0.4'"),
    ],
)  # fmt: skip
def test_graphs_that_cannot_run_are_refused(changes: dict[str, dict], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - pydantic's own error, whose text is what counts
        r1(**changes)
    assert message in str(caught.value)


def test_a_student_brings_its_own_model_and_hands_it_on() -> None:
    stages = recipe(zero=RL, rows=SAMPLE, distill=SFT | {"model": "student"}, more=RL, other=RL | {"policy": "zero"})
    own = Model(path="m")
    names = {name: model_of(stages.stages, name, own).path for name in stages.stages}
    assert names == {"zero": "m", "rows": "m", "distill": "student", "more": "student", "other": "m"}
    assert needs(stages.stages, "distill").policy == "base"


def test_a_circle_is_told_with_its_place(tmp_path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "model: m\nrun_dir: r\nstages:\n"
        '  a: {kind: sft, policy: base, data: {source: "stage:b"}, steps: 1}\n'
        "  b: {kind: sample, policy: a, data: {source: d.jsonl}, rewards: [math]}\n"
    )
    with pytest.raises(UserError, match="in a circle: (a → b → a|b → a → b)"):
        load_recipe(str(path))


def test_conditions() -> None:
    assert Condition.of(">= 0.4").holds(0.4)
    assert not Condition.of("> 40 %").holds(0.4)
    assert Condition.of("<30%").holds(0.29)
    assert Condition.of("== 2").holds(2.0)
