"""The recipes that ship: each loads, plans and estimates; the toy R1 is the real one in small."""

from pathlib import Path

import pytest

from grpo.recipe.estimate_text import format_estimates
from grpo.recipe.graph import BASE, needs
from grpo.recipe.load import load_recipe
from grpo.recipe.plan_text import format_plan
from grpo.recipe.shipped import shipped_recipes

MADE = {"base_model": BASE, "student_base": BASE}
"""Stages of r1/tiny that make the base models, which r1/pipeline downloads."""


@pytest.mark.parametrize("name", shipped_recipes())
def test_it_loads_and_plans(name: str) -> None:
    loaded = load_recipe(name)
    assert format_plan(loaded.recipe)
    assert format_estimates(loaded.recipe, loaded.base)
    assert Path(loaded.recipe.run_dir).parts[0] == "runs"


def test_the_tiny_r1_has_the_graph_of_the_real_one() -> None:
    real, tiny = (load_recipe(f"r1/{name}").recipe.stages for name in ("pipeline", "tiny"))
    assert set(tiny) - set(real) == set(MADE)
    for name in real:
        wanted, found = needs(real, name), needs(tiny, name)
        assert (MADE.get(found.policy, found.policy), found.rows) == (wanted.policy, wanted.rows)
        assert real[name].kind == tiny[name].kind
    for name in ("r1_zero", "reasoning_rl", "rl_all"):
        assert [r.label for r in real[name].all_rewards] == [r.label for r in tiny[name].all_rewards]  # type: ignore[union-attr]
    for name in ("cold_data", "rejection"):
        assert [each.use for each in real[name].keep] == [each.use for each in tiny[name].keep]  # type: ignore[union-attr]


def test_both_sft_stages_of_r1_start_from_the_base() -> None:
    stages = load_recipe("r1/pipeline").recipe.stages
    assert needs(stages, "cold_start").policy == needs(stages, "sft").policy == BASE
