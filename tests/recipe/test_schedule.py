"""Schedules: at which step and update what changes, with the figures of R1's papers."""

from typing import Any

import pytest

from grpo.recipe.plan import RLPlan, plan_stage
from grpo.recipe.plan_text import format_plan
from grpo.recipe.schedule import in_force, reference_after, settings_at, step_of_update, weights_at
from grpo.recipe.schema import Recipe
from grpo.recipe.trained_stages import RLStage


def stage(**settings: Any) -> RLStage:
    given = {"kind": "rl", "data": {"source": "d.jsonl"}, "rewards": ["math", "language"], "steps": 650} | settings
    return RLStage.model_validate(given)


R1_ZERO = stage(
    prompts_per_step=512,
    num_generations=16,
    updates_per_step=16,
    beta=0.001,
    max_completion_length=32_768,
    refresh_reference_every=400,
    changes=[{"at_update": 8_200, "max_completion_length": 65_536}],
)

RECIPE = Recipe.model_validate({"model": {"path": "m"}, "run_dir": "r", "stages": {"zero": R1_ZERO}})


def test_r1_zero_in_our_units() -> None:
    """10,400 updates on 512 completions each, from rounds of 8,192: 650 steps."""
    plan = plan_stage(RECIPE, "zero")
    assert isinstance(plan, RLPlan)
    assert (plan.updates, plan.completions_per_step, plan.completions_per_update) == (10_400, 8_192, 512)
    # update 8,200 falls inside step 513 (updates 8,192 to 8,207): it takes effect with the next
    assert step_of_update(R1_ZERO, 8_200) == 514
    assert settings_at(R1_ZERO, 513).max_completion_length == 32_768
    assert settings_at(R1_ZERO, 514).max_completion_length == 65_536
    assert R1_ZERO.longest_completion_length == 65_536


def test_the_reference_of_r1_zero_is_replaced_every_25_steps() -> None:
    references = [reference_after(R1_ZERO, step) for step in range(1, 651)]
    assert references[:25] == [0] * 25
    assert references[25:50] == [25] * 25
    assert sorted(set(references)) == list(range(0, 650, 25))


def test_a_refresh_inside_a_step_comes_with_the_next() -> None:
    uneven = stage(beta=0.1, updates_per_step=4, refresh_reference_every=10)
    # 10 updates are done within step 3 (updates 9 to 12), 20 with the end of step 5
    assert [reference_after(uneven, step) for step in range(1, 9)] == [0, 0, 0, 3, 3, 5, 5, 5]


def test_the_mixture_of_the_last_stage_switches_for_its_last_400_of_1700_updates() -> None:
    last = stage(
        updates_per_step=16, steps=107, changes=[{"at_update": 1_300, "weights": {"language": 0.5}, "temperature": 0.7}]
    )
    assert step_of_update(last, 1_300) == 83
    assert weights_at(last, 82) == {"math": 1.0, "language": 1.0}
    assert weights_at(last, 83) == {"math": 1.0, "language": 0.5}
    assert (settings_at(last, 82).temperature, settings_at(last, 83).temperature) == (1.0, 0.7)


def test_changes_apply_in_the_order_of_their_updates() -> None:
    several = stage(
        changes=[{"at_update": 5, "temperature": 0.5}, {"at_update": 2, "temperature": 0.9, "weights": {"math": 2}}]
    )
    assert [settings_at(several, step).temperature for step in (2, 3, 5, 6)] == [1.0, 0.9, 0.9, 0.5]
    assert len(in_force(several, 6)) == 2
    assert weights_at(several, 6)["math"] == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"refresh_reference_every": 5}, "there is no reference where beta is 0"),
        ({"changes": [{"at_update": 5}]}, "changes nothing"),
        ({"changes": [{"at_update": 5, "weights": {"maths": 1}}]}, "no reward maths (rewards: math, language)"),
    ],
)
def test_schedules_without_a_meaning_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - pydantic's own error, whose text is what counts
        stage(**settings)
    assert message in str(caught.value)


def test_the_plan_says_when() -> None:
    text = format_plan(RECIPE)
    assert "from update 8,200 on (step 514): max_completion_length 65,536" in text
    assert "the policy becomes the reference every 400 updates, first before step 26" in text
