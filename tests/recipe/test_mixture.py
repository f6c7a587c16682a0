"""Sources of prompts in proportions, each with rewards of its own: what is refused, who judges what, what changes."""

from typing import Any

import pytest

from grpo.recipe.mixture import judged_sources, most_prompts
from grpo.recipe.schedule import mixture_at, step_of_update
from grpo.recipe.schema import Recipe
from grpo.recipe.trained_stages import RLStage

MATH = {"data": {"source": "math.jsonl"}, "rewards": ["math", "language"]}
GENERAL = {"data": {"source": "general.jsonl"}, "rewards": ["choice"]}


def stage(**settings: Any) -> RLStage:
    plain = {"kind": "rl", "mixture": {"math": MATH, "general": GENERAL}, "steps": 106} | settings
    recipe = Recipe.model_validate({"model": {"path": "m"}, "run_dir": "r", "stages": {"s": plain}})
    found = recipe.stages["s"]
    assert isinstance(found, RLStage)
    return found


def test_r1_mixes_general_prompts_into_the_last_400_of_1700_updates() -> None:
    found = stage(
        mixture={"math": MATH, "general": GENERAL | {"weight": 0}},
        changes=[{"at_update": 1296, "mixture": {"general": 1}}],
        prompts_per_step=512, num_generations=16, updates_per_step=16,
    )  # fmt: skip
    assert found.steps is not None and found.steps * found.updates_per_step == 1696  # 1,700 in whole steps of 16
    assert step_of_update(found, 1296) == 82  # the last 25 steps, 400 updates
    assert mixture_at(found, 81) == {"math": 1, "general": 0}
    assert mixture_at(found, 82) == {"math": 1, "general": 1}
    assert most_prompts(found) == {"math": 512, "general": 256}


def test_each_row_is_judged_by_the_rewards_of_its_source_and_of_the_stage() -> None:
    found = stage(rewards=["format"], mixture={"math": MATH, "general": GENERAL, "more": MATH})
    assert [reward.label for reward in found.all_rewards] == ["format", "math", "language", "choice"]
    assert judged_sources(found) == {
        "math": frozenset({"math", "more"}),
        "language": frozenset({"math", "more"}),
        "choice": frozenset({"general"}),
    }
    alone = stage(mixture={}, data={"source": "a.jsonl"}, rewards=["math"])
    assert judged_sources(alone) == {} and list(alone.sources) == [""]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mixture": {}}, "give either `data` or a `mixture` of sources, not neither"),
        ({"data": {"source": "a.jsonl"}}, "give either `data` or a `mixture` of sources, not both"),
        ({"steps": None, "epochs": 1}, "give `steps`: the sources of a mixture end their epochs at different times"),
        ({"mixture": {"math": MATH | {"rewards": []}}}, "mixture.math.rewards: nothing judges these rows"),
        ({"mixture": {"math": MATH | {"weight": 0}}}, "mixture: at some time every source has weight 0"),
        ({"mixture": {"a/b": MATH}}, "String should match pattern"),
        ({"rewards": ["choice"]}, "two rewards share a name (choice, choice)"),
        (
            {"mixture": {"math": MATH, "more": MATH | {"rewards": [{"use": "math", "weight": 2}]}}},
            "two rewards share a name (math, language, math)",
        ),
        ({"changes": [{"at_update": 9, "mixture": {"maths": 1}}]}, "no source maths (sources: math, general)"),
        ({"changes": [{"at_update": 9, "mixture": {"math": 0, "general": 0}}]}, "every source has weight 0"),
        ({"reference": "stage:teacher"}, "reference: without `beta` nothing is compared with it"),
        (
            {"mixture": {}, "data": {"source": "a.jsonl"}, "reference": "m", "beta": 1, "sampling_rounds": 2},
            "rewards: sampling_rounds, train_generations and skip_flat choose by reward, and there is none",
        ),
        (
            {"mixture": {"a": MATH, "b": MATH | {"rewards": []}}, "reference": "m", "beta": 1, "train_generations": 2},
            "mixture.b.rewards: sampling_rounds, train_generations and skip_flat choose by reward, and there is none",
        ),
        ({"reference": "m", "beta": 1, "refresh_reference_every": 2}, "reference: it cannot be another policy and be"),
    ],
)
def test_what_does_not_fit_together_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - pydantic's own error, whose text is what counts
        stage(**settings)
    assert message in str(caught.value)


def test_on_policy_distillation_needs_no_reward() -> None:
    found = stage(mixture={}, data={"source": "a.jsonl"}, reference="org/teacher", beta=1)
    assert found.all_rewards == ()
