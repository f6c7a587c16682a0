"""`like: STAGE`: filled in after all else, with the places of what it says kept for messages."""

from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.recipe.load import load_recipe

RECIPE = """\
model: m
run_dir: r
stages:
  a: {kind: rl, data: {source: a.jsonl, template: none}, rewards: [math], steps: 5}
  b: {like: a, policy: base, steps: 7, data: {template: chat}}
  c: {like: b, learning_rate: 1e-3}
"""


def write(folder: Path, text: str, name: str = "r.yaml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_stage_says_what_another_says_except_where_it_says_something_else(tmp_path: Path) -> None:
    a, b, c = load_recipe(write(tmp_path, RECIPE)).recipe.stages.values()
    assert (b.steps, b.policy, b.data.template, b.data.source) == (7, "base", "chat", a.data.source)  # type: ignore[union-attr]
    assert c == b.model_copy(update={"learning_rate": 1e-3})


def test_it_follows_the_command_line_and_what_extends_it(tmp_path: Path) -> None:
    path = write(tmp_path, RECIPE)
    stages = load_recipe(path, ["stages.a.num_generations=4", "stages.a.steps=2"]).recipe.stages
    assert [(s.num_generations, s.steps) for s in stages.values()] == [(4, 2), (4, 7), (4, 7)]  # type: ignore[union-attr]
    deep = load_recipe(path, ["stages.b.checkpoints.save_every=3", "stages.a.checkpoints.keep_last=1"]).recipe.stages
    found = [(s.checkpoints.save_every, s.checkpoints.keep_last) for s in deep.values()]  # type: ignore[union-attr]
    assert found == [(10, 1), (3, 1), (3, 1)]
    over = write(tmp_path, "extends: r.yaml\nstages: {a: {learning_rate: 5e-4}, c: null}\n", "over.yaml")
    stages = load_recipe(over).recipe.stages
    assert [s.learning_rate for s in stages.values()] == [5e-4, 5e-4]  # type: ignore[union-attr]


def test_a_mistake_in_it_is_told_where_it_was_made(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(write(tmp_path, RECIPE.replace("steps: 7", "stepps: 7")))
    assert "stages.b.stepps (r.yaml, line 5): unknown key; did you mean `steps`?" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("like: a", "like: z", "stages.b.like (r.yaml, line 5): no stage 'z' (stages of this recipe: a, b, c)"),
        ("like: a", "like: c", "stages are like each other in a circle: "),
        ("like: a", "like: b", "stages are like each other in a circle: b → b"),
        ("like: a", "like: [a]", "stages.b.like (r.yaml, line 5): ['a'] given; must be the name of one stage"),
    ],
)
def test_likes_that_lead_nowhere_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(write(tmp_path, RECIPE.replace(old, new)))
    assert message in str(caught.value)


def test_null_drops_a_mapping_that_would_be_merged(tmp_path: Path) -> None:
    text = RECIPE.replace("template: none}", "template: none, columns: {prompt: q}}").replace(
        "learning_rate: 1e-3}", "data: {columns: null}, evaluate: {data: {source: b.jsonl}}}"
    )
    path = write(tmp_path, text)
    a, b, c = load_recipe(path).recipe.stages.values()
    assert (b.data.columns, c.data.columns, c.data.source) == ({"prompt": "q"}, {}, a.data.source)  # type: ignore[union-attr]
    stages = load_recipe(path, ["stages.c.evaluate=null"]).recipe.stages
    assert stages["c"].evaluate is None  # type: ignore[union-attr]


@pytest.mark.parametrize("own", ["", "evaluate: {every: 3}, "])
def test_null_drops_what_is_inherited_with_what_the_stage_says_itself(tmp_path: Path, own: str) -> None:
    inherited = "steps: 5, evaluate: {data: {source: b.jsonl}, rewards: [math]}}"
    text = RECIPE.replace("steps: 5}", inherited).replace("{like: b,", f"{{like: b, {own}")
    path = write(tmp_path, text)
    over = write(tmp_path, "extends: r.yaml\nstages: {c: {evaluate: null}}\n", "over.yaml")
    for loaded in (load_recipe(path, ["stages.c.evaluate=null"]), load_recipe(over)):
        a, _, c = loaded.recipe.stages.values()
        assert a.evaluate is not None and c.evaluate is None  # type: ignore[union-attr]
    deep = load_recipe(path, ["stages.c.evaluate.data.options.x=1", "stages.c.evaluate.data.options=null"])
    assert deep.recipe.stages["c"].evaluate.data.options == {}  # type: ignore[union-attr]


def test_what_is_said_after_a_null_takes_nothing_of_what_was_inherited(tmp_path: Path) -> None:
    inherited = "steps: 5, evaluate: {every: 3, data: {source: b.jsonl, columns: {prompt: q}}}}"
    path = write(tmp_path, RECIPE.replace("steps: 5}", inherited))
    again = "stages.c.evaluate.data.source=d.jsonl"
    write(tmp_path, "extends: r.yaml\nstages: {c: {evaluate: null}}\n", "over.yaml")
    over = write(tmp_path, "extends: over.yaml\nstages: {c: {evaluate: {data: {source: d.jsonl}}}}\n", "more.yaml")
    for loaded in (load_recipe(path, ["stages.c.evaluate=null", again]), load_recipe(over)):
        c = loaded.recipe.stages["c"].evaluate  # type: ignore[union-attr]
        assert c is not None and (c.every, c.data.columns, c.data.source[-7:]) == (10, {}, "d.jsonl")


def test_a_model_by_its_name_takes_nothing_of_the_one_that_was_inherited(tmp_path: Path) -> None:
    text = RECIPE.replace("steps: 5}", "steps: 5, model: {tiny: {layers: 1}, dtype: float32}}")
    path = write(tmp_path, text.replace("{like: b,", "{like: b, model: other,"))
    over = write(tmp_path, "extends: r.yaml\nstages: {c: {model: {dtype: bfloat16}}}\n", "over.yaml")
    for loaded in (load_recipe(path, ["stages.c.model.dtype=bfloat16"]), load_recipe(over)):
        a, b, c = (stage.model for stage in loaded.recipe.stages.values())  # type: ignore[union-attr]
        assert a == b and (c.tiny, c.path, c.dtype) == (None, "other", "bfloat16")


def test_a_position_in_an_inherited_list_is_changed_for_the_stage_alone(tmp_path: Path) -> None:
    path = write(tmp_path, RECIPE)
    stages = load_recipe(path, ["stages.b.rewards.0.weight=2", "stages.b.rewards.0.name=x"]).recipe.stages
    found = [[(reward.label, reward.weight) for reward in s.rewards] for s in stages.values()]  # type: ignore[union-attr]
    assert found == [[("math", 1.0)], [("x", 2.0)], [("x", 2.0)]]
    with pytest.raises(UserError, match="is a list of 1: give a position from 0"):
        load_recipe(path, ["stages.c.rewards.1.weight=2"])
    with pytest.raises(UserError, match="stages.b.policy is 'base', it has no key 'x'"):
        load_recipe(path, ["stages.b.policy.x=2"])
