"""From files, the command line and the environment to one recipe."""

from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.recipe.load import load_recipe
from grpo.recipe.shipped import shipped_recipes
from grpo.recipe.trained_stages import RLStage

from .recipes import BASE


@pytest.fixture
def base(tmp_path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def zero(loaded) -> RLStage:
    return loaded.recipe.stages["zero"]


def test_values_and_defaults(base):
    loaded = load_recipe(str(base))
    stage = zero(loaded)
    assert (stage.learning_rate, stage.num_generations, stage.mismatch.mode) == (1e-6, 8, "truncate")
    assert [(reward.label, reward.weight) for reward in stage.rewards] == [("math", 1.0), ("format", 0.2)]
    assert (loaded.path, loaded.base) == (base, base.parent)


def test_the_resolved_recipe_loads_equal_from_another_folder(base, tmp_path):
    loaded = load_recipe(str(base), ["stages.zero.mismatch.mode=off", "stages.zero.data.rows=1:30"])
    elsewhere = tmp_path / "elsewhere" / "resolved.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(loaded.resolved_yaml())
    assert load_recipe(str(elsewhere)).recipe == loaded.recipe


def test_extends_states_only_what_differs(base):
    child = base.with_name("child.yaml")
    child.write_text("extends: base.yaml\nrun_dir: runs/child\nmodel: {dtype: float32}\nstages: {zero: {steps: 7}}\n")
    recipe = load_recipe(str(child)).recipe
    assert (recipe.run_dir, recipe.model.path, recipe.model.dtype) == ("runs/child", "org/base-model", "float32")
    assert list(recipe.stages) == ["warm", "zero"]
    assert (recipe.stages["zero"].steps, recipe.stages["zero"].learning_rate) == (7, 1e-6)


def test_extends_drops_a_stage_and_replaces_a_list(base):
    child = base.with_name("child.yaml")
    child.write_text("extends: base.yaml\nstages: {warm: null, zero: {rewards: [format], steps: null, epochs: 1}}\n")
    recipe = load_recipe(str(child)).recipe
    assert list(recipe.stages) == ["zero"]
    assert [reward.label for reward in recipe.stages["zero"].rewards] == ["format"]
    assert (recipe.stages["zero"].steps, recipe.stages["zero"].epochs) == (None, 1.0)


def test_a_text_for_a_mapping_replaces_it_whole(base):
    child = base.with_name("child.yaml")
    child.write_text("extends: base.yaml\nmodel: {path: null, tiny: {layers: 1}}\n")
    grandchild = base.with_name("grandchild.yaml")
    grandchild.write_text("extends: child.yaml\nmodel: org/other\n")
    assert load_recipe(str(child)).recipe.model.tiny.layers == 1
    model = load_recipe(str(grandchild)).recipe.model
    assert (model.path, model.tiny) == ("org/other", None)


def test_a_shipped_recipe_can_be_extended(tmp_path):
    child = tmp_path / "mine.yaml"
    child.write_text("extends: quickstart\nseed: 5\n")
    recipe = load_recipe(str(child)).recipe
    assert (recipe.seed, recipe.stages) == (5, load_recipe("quickstart").recipe.stages)


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_loads_by_name(name):
    assert load_recipe(name).path == shipped_recipes()[name]


def test_extends_in_a_circle(base):
    base.write_text("extends: other.yaml\n" + BASE)
    base.with_name("other.yaml").write_text("extends: base.yaml\n")
    with pytest.raises(UserError, match=r"circle: base.yaml → other.yaml → base.yaml") as caught:
        load_recipe(str(base))
    assert caught.value.where == "extends (other.yaml, line 1)"


def test_extends_what_is_not_there(base):
    child = base.with_name("child.yaml")
    child.write_text("extends: bass.yaml\n")
    with pytest.raises(UserError, match=r"no recipe file bass.yaml .*\nDid you mean base.yaml\?") as caught:
        load_recipe(str(child))
    assert caught.value.where == "extends (child.yaml, line 1)"


def test_a_mistake_in_a_base_names_the_base(base):
    base.write_text(BASE.replace("steps: 100", "stepps: 100"))
    child = base.with_name("child.yaml")
    child.write_text("extends: base.yaml\n")
    with pytest.raises(
        UserError, match=r"stages.zero.stepps \(base.yaml, line 12\): unknown key; did you mean `steps`"
    ):
        load_recipe(str(child))


def test_variables(base, monkeypatch):
    base.write_text(BASE.replace("runs/first", "${OUT}/${NAME:-first}$${x}"))
    monkeypatch.setenv("OUT", "/scratch")
    assert load_recipe(str(base)).recipe.run_dir == "/scratch/first${x}"
    monkeypatch.setenv("NAME", "second")
    assert load_recipe(str(base)).recipe.run_dir == "/scratch/second${x}"


def test_an_inherited_variable_that_is_overridden_need_not_be_set(base):
    base.write_text(BASE.replace("runs/first", "${NOWHERE_SET}"))
    assert load_recipe(str(base), ["run_dir=out"]).recipe.run_dir == "out"


def test_home(base, monkeypatch):
    monkeypatch.setenv("HOME", "/home/jo")
    assert load_recipe(str(base), ["run_dir=~/runs"]).recipe.run_dir == "/home/jo/runs"


def test_relative_paths_belong_to_the_place_that_says_them(base, tmp_path, monkeypatch):
    base.write_text(BASE.replace("[math,", "[rewards.py:mine,"))
    here = tmp_path / "here"
    (tmp_path / "deeper").mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    child = tmp_path / "deeper" / "child.yaml"
    child.write_text("extends: ../base.yaml\nstages: {warm: {data: {source: other.jsonl}}}\n")
    stages = load_recipe(str(child), ["stages.zero.data.template=mine.jinja"]).recipe.stages
    assert stages["warm"].data.source == str(tmp_path / "deeper" / "other.jsonl")
    assert stages["zero"].data.source == str(tmp_path / "problems.jsonl")
    assert stages["zero"].rewards[0].use == f"{tmp_path}/rewards.py:mine"
    assert stages["zero"].data.template == str(here / "mine.jinja")


def test_a_path_from_a_variable_is_relative_to_the_working_directory(base, tmp_path, monkeypatch):
    base.write_text(BASE.replace("problems.jsonl", "'${PROBLEMS:-problems.jsonl}'"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert zero(load_recipe(str(base))).data.source == str(tmp_path / "problems.jsonl")
    monkeypatch.setenv("PROBLEMS", "mine.jsonl")
    assert zero(load_recipe(str(base))).data.source == str(tmp_path / "here" / "mine.jsonl")


@pytest.mark.parametrize("source", ["openai/gsm8k", "task:arithmetic", "package.module:rows", "/data/x.jsonl"])
def test_other_sources_stay_as_they_are(base, source):
    assert zero(load_recipe(str(base), [f"stages.zero.data.source={source}"])).data.source == source


def test_a_model_folder_beside_the_recipe(base):
    (base.parent / "org" / "base-model").mkdir(parents=True)
    assert load_recipe(str(base)).recipe.model.path == str(base.parent / "org" / "base-model")
