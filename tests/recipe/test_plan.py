"""The plan's arithmetic, by hand."""

import pytest

from grpo.data.order import steps_for_epochs
from grpo.recipe.load import load_recipe
from grpo.recipe.plan import DataSizes, RLPlan, SFTPlan, evaluation_count, plan_stage, steps_of
from grpo.recipe.plan_text import format_plan, plan_additions

from .recipes import BASE

SIZES = {"warm": DataSizes(100), "zero": DataSizes(700, held_out=300, longest_prompt=40)}


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "first.yaml"
    path.write_text(BASE)

    def load(**zero):
        overrides = [f"stages.zero.{key}={value}" for key, value in zero.items()]
        return load_recipe(str(path), overrides).recipe

    return load


def test_one_rl_stage(recipe):
    plan = plan_stage(
        recipe(prompts_per_step=16, updates_per_step=4, evaluate="{data: {source: x}, every: 30}"), "zero"
    )
    assert plan == RLPlan(
        starts_from="warm",
        completions_per_step=128,
        completions_per_update=32,
        groups_per_update=4.0,
        steps=100,
        updates=400,
        completions=12800,
        steps_per_epoch=None,
        evaluations=5,  # 0, 30, 60, 90, 100
    )


def test_r1_zero_as_the_paper_counts(recipe):
    """512 prompts × 16 = 8,192 outputs a round in 16 mini-batches of 512; 10,400 updates are 650 rounds."""
    plan = plan_stage(recipe(prompts_per_step=512, num_generations=16, updates_per_step=16, steps=650), "zero")
    figures = (plan.completions_per_step, plan.completions_per_update, plan.groups_per_update, plan.updates)
    assert figures == (8192, 512, 32.0, 10400)


def test_epochs_wait_for_the_data(recipe):
    by_epochs = recipe(steps="null", epochs=1.5)
    before, after = plan_stage(by_epochs, "zero"), plan_stage(by_epochs, "zero", SIZES["zero"])
    assert (before.steps, before.updates, before.completions, before.steps_per_epoch) == (None,) * 4
    assert (after.steps, after.completions, after.steps_per_epoch) == (132, 132 * 64, 88)  # 1050 / 8 = 131.25


@pytest.mark.parametrize(("epochs", "prompts"), [(1, 64), (1, 65), (2.5, 7), (0.01, 9), (3, 8)])
def test_steps_are_those_that_the_data_room_counts(recipe, epochs, prompts):
    stage = recipe(steps="null", epochs=epochs).stages["zero"]
    assert steps_of(stage, prompts) == steps_for_epochs(epochs, prompts, stage.prompts_per_step)


def test_sft(recipe):
    assert plan_stage(recipe(), "warm") == SFTPlan("base", None, None)
    assert plan_stage(recipe(), "warm", SIZES["warm"]) == SFTPlan("base", 8, 256)  # ⌈100 / 32⌉ = 4 an epoch


@pytest.mark.parametrize(("every", "steps", "count"), [(10, 100, 11), (30, 100, 5), (100, 7, 2), (1, 3, 4)])
def test_evaluations(every, steps, count):
    assert evaluation_count(every, steps) == count


def test_the_page(recipe):
    page = format_plan(recipe(prompts_per_step=16, updates_per_step=4, **{"rollout.engine": "transformers"}))
    assert "model    org/base-model (bfloat16)\nrun_dir  runs/first (seed 0)\n" in page
    assert "stage 1 of 2: warm (sft), starts from the recipe's model\n" in page
    assert "  run      2 epochs: the number of updates is known once the data has been read\n" in page
    assert "stage 2 of 2: zero (rl), starts from the policy of warm\n" in page
    assert "  rewards  math × 1, format × 0.2\n" in page
    assert "  engine   transformers (as the recipe says), temperature 1\n" in page
    assert "  step     16 prompts × 8 completions = 128 completions of at most 512 tokens\n" in page
    assert "each of 32 completions (4 groups), in micro-batches of 8,192 tokens\n" in page
    assert "100 steps = 400 updates; 12,800 completions in all, at most 6,553,600 tokens sampled" in page


def test_what_the_data_adds(recipe):
    assert plan_additions(recipe(), SIZES).splitlines() == [
        "stage 1 of 2: warm (sft), starts from the recipe's model",
        "  run      8 updates; 256 sequences in all",
        "  epochs   100 rows; each is taken 2.56 times",
        "stage 2 of 2: zero (rl), starts from the policy of warm",
        "  epochs   700 prompts = 88 steps an epoch; each prompt is taken 1.14 times",
        "  note: the last step of an epoch reaches into the next one",
    ]


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        (
            {"prompts_per_step": 16, "updates_per_step": 4},
            "4 updates a step at the full learning rate each: the policy",
        ),
        ({"sampling_rounds": 3}, "a step samples up to 3 times as many completions, until 8 groups have a signal"),
        ({"prompts_per_step": 4, "updates_per_step": 8}, "an update ends inside a group"),
        ({}, "one update a step: the importance ratio is 1"),
        ({"tokens_per_microbatch": 100}, "a longest completion has more than tokens_per_microbatch"),
        ({"warmup_updates": 100}, "warmup_updates: 100 is not shorter than the run"),
        ({"checkpoints.save_every": 101}, "checkpoints.save_every: 101 is longer than the run"),
        ({"evaluate": "{data: {source: x}, every: 101}"}, "evaluate.every: 101 is longer than the run"),
        ({"rewards.1.weight": 0}, "weight 0, so recorded only: format"),
    ],
)
def test_notes(recipe, settings, note):
    assert f"note: {note}" in format_plan(recipe(**settings))


def test_the_page_says_what_learns_in_less_memory(recipe):
    page = format_plan(recipe(optim="adamw_torch_8bit", stochastic_rounding="true"))
    assert "  memory   8-bit optimizer states, bf16 weights rounded stochastically" in page.splitlines()
    assert "  memory " not in format_plan(recipe())
