"""Every mistake in a recipe is one message with the key's full path, where it was said, and what is allowed."""

import pytest

from grpo.errors import UserError
from grpo.recipe.load import load_recipe

from .recipes import BASE

MISTAKES = {
    "typo in a key": ("stages.zero.learnin_rate=1", "unknown key; did you mean `learning_rate`?"),
    "typo at the top": ("sead=1", "unknown key; did you mean `seed`?"),
    "typo in a nested key": ("stages.zero.rollout.engin=vllm", "unknown key; did you mean `engine`?"),
    "typo in a list": ("stages.zero.rewards.1.wait=1", "unknown key; did you mean `weight`?"),
    "key one level too high": ("stages.zero.engine=vllm", "unknown key; did you mean `rollout.engine`?"),
    "key of a stage at the top": ("num_generations=4", "it belongs into a stage: `stages.NAME.num_generations`"),
    "key of the recipe in a stage": ("stages.zero.run_dir=x", "it belongs to the recipe itself, at its top level"),
    "name from TRL": ("stages.zero.max_steps=3", "unknown key; here it is `steps`"),
    "nothing like it": ("stages.zero.data.zzz=1", "unknown key; known: source, name, split, options"),
    "group of 1": ("stages.zero.num_generations=1", "1 given; must be ≥ 2"),
    "wrong type": ("stages.zero.steps=ten", "'ten' given; must be a whole number"),
    "half a step": ("stages.zero.steps=1.5", "1.5 given; must be a whole number"),
    "a truth value for a number": ("stages.zero.steps=true", "true given; must be a number"),
    "not a number": ("stages.zero.learning_rate=.nan", "nan given; must be a finite number"),
    "text for a truth value": ("stages.zero.packing=x", "unknown key"),
    "out of range": ("stages.zero.top_p=1.5", "1.5 given; must be ≤ 1"),
    "a list for text": ("run_dir=[a]", "['a'] given; must be text"),
    "a number for a mapping": ("stages.zero.data=3", "3 given; must be a mapping of keys to values"),
    "a number for text or a list": ("stages.zero.lora.target_modules=3", "3 given; must be text or a list"),
    "unknown choice": ("stages.zero.loss_type=grpoo", "'cispo' or 'reinforce' (did you mean 'grpo'?)"),
    "no rewards": ("stages.zero.rewards=[]", "nothing judges these rows: give rewards here or to the whole stage"),
    "bad slice": ("stages.zero.data.rows=0-7", "'0-7' given; must be `start:stop`, such as `0:700`"),
}
# These are about a stage as a whole.
STAGE_MISTAKES = {
    "temperature 0": ("stages.zero.temperature=0", "temperature 0 gives identical completions"),
    "steps and epochs": ("stages.zero.epochs=1", "give either `steps` or `epochs`, not both"),
    "neither steps nor epochs": ("stages.zero.steps=null", "give either `steps` or `epochs`, not neither"),
    "updates do not divide": ("stages.zero.updates_per_step=3", "must be a multiple of updates_per_step"),
    "unknown kind": ("stages.zero.kind=grpo", "kind 'grpo' given; must be 'sft' or 'rl'"),
    "no kind": ("stages.zero={steps: 3}", "no `kind` given; must be 'sft' or 'rl'"),
    "top_p with a correction": ("stages.zero.top_p=0.9", "Set mismatch.mode: off"),
    "two rewards of a name": ("stages.zero.rewards=[math, math]", "two rewards share a name (math, math)"),
}


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "first.yaml"
    path.write_text(BASE)
    return path


def mistake(path, *overrides: str) -> UserError:
    with pytest.raises(UserError) as caught:
        load_recipe(str(path), overrides)
    return caught.value


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_one_key(recipe, name):
    text, message = MISTAKES[name]
    error = mistake(recipe, text)
    assert error.where == f"{text.partition('=')[0]} (command line: {text})"
    assert message in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize("name", STAGE_MISTAKES)
def test_a_mistake_in_a_stage(recipe, name):
    text, message = STAGE_MISTAKES[name]
    error = mistake(recipe, text)
    assert error.where.startswith("stages.zero (")
    assert message in error.message


def test_the_file_and_line_are_named(recipe):
    recipe.write_text(BASE.replace("steps: 100", "steps: -1"))
    assert str(mistake(recipe)) == "stages.zero.steps (first.yaml, line 12): -1 given; must be > 0"


def test_missing_keys(recipe):
    recipe.write_text(BASE.replace("run_dir: runs/first\n", ""))
    assert str(mistake(recipe)) == "run_dir (first.yaml, line 1): required, and not given"
    recipe.write_text(BASE.replace("    rewards: [math, {use: format, weight: 0.2}]\n", ""))
    expected = "stages.zero.rewards (first.yaml, line 8): nothing judges these rows"
    assert str(mistake(recipe)).startswith(expected)


def test_unknown_policy_of_a_stage(recipe):
    recipe.write_text(BASE.replace("    steps: 100", "    steps: 100\n    policy: worm"))
    expected = "stages.zero.policy (first.yaml, line 13): no stage 'worm' that makes a policy (known: base, warm)"
    assert str(mistake(recipe)) == expected


def test_a_stage_that_is_named_like_a_path(recipe):
    recipe.write_text(BASE.replace("  zero:", "  ../zero:"))
    assert "a stage is named with letters, digits" in str(mistake(recipe))


def test_a_stage_left_empty_by_accident_is_not_dropped(recipe):
    recipe.write_text("model: m\nrun_dir: r\nstages:\n  zero:\n")
    assert mistake(recipe).where == "stages.zero (first.yaml, line 4)"


def test_all_mistakes_are_told_at_once(recipe):
    error = mistake(recipe, "stages.zero.steps=ten", "stages.warm.epochs=-1", "sead=3")
    assert str(error).splitlines() == [
        "first.yaml: 3 mistakes",
        "  stages.warm.epochs (command line: stages.warm.epochs=-1): -1 given; must be > 0",
        "  stages.zero.steps (command line: stages.zero.steps=ten): 'ten' given; must be a whole number",
        "  sead (command line: sead=3): unknown key; did you mean `seed`?",
    ]


def test_a_variable_that_is_not_set(recipe):
    recipe.write_text(BASE.replace("runs/first", "${GRPO_NOWHERE_SET}/x"))
    error = mistake(recipe)
    assert error.where == "run_dir (first.yaml, line 2)"
    assert error.message == "the environment variable GRPO_NOWHERE_SET is not set"
    assert "${GRPO_NOWHERE_SET:-default}" in error.advice


def test_a_variable_that_is_none(recipe):
    assert "'${A-b}' is not a variable" in str(mistake(recipe, "run_dir=${A-b}"))


def test_an_empty_file_and_a_list(recipe):
    recipe.write_text("# nothing\n")
    assert "this file is empty" in str(mistake(recipe))
    recipe.write_text("- a\n")
    assert "this file is a list" in str(mistake(recipe))


def test_names_of_recipes_that_do_not_exist(tmp_path):
    assert "Did you mean quickstart?" in str(mistake("quikstart"))
    assert "Shipped recipes: " in str(mistake("nothing-like-it"))
    (tmp_path / "mine.yaml").write_text(BASE)
    assert f"Did you mean {tmp_path}/mine.yaml?" in str(mistake(tmp_path / "mien.yaml"))
    assert "there is no folder" in str(mistake(tmp_path / "no" / "mine.yaml"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stages.zero.lora={r: 4}", "adapters are fp32 and learn as they are"),
        ("model={path: org/base-model, dtype: float32}", "weights in float32 are not rounded (model.dtype)"),
    ],
)
def test_rounding_where_nothing_is_rounded(recipe, override, message):
    error = mistake(recipe, "stages.zero.stochastic_rounding=true", override)
    assert error.where.startswith("stages.zero.stochastic_rounding")
    assert message in error.message
