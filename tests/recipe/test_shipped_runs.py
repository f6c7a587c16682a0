"""Every shipped recipe with the rows and models of this file in place of those it would download.

Its keys, columns, templates, filters and graph are the recipe's own; so is the path from the command to `final/` in the
slow tests, at a size that a CPU trains in seconds. A recipe is covered by being there.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, meta, nodes

from grpo.models.tiny import make_tiny
from grpo.pipeline.preflight import preflight
from grpo.recipe.fields import Data, Model, TinyModel
from grpo.recipe.load import load_recipe
from grpo.recipe.shipped import shipped_recipes
from grpo.recipe.yaml_text import write_yaml

Keys = dict[str, Any]
"""Part of a resolved recipe: every key is there, defaults included."""

RUN_HERE = [name for name in shipped_recipes() if name not in ("r1/pipeline", "r1/tiny")]
"""R1's graph in full has a test of its own."""

FEW = 4
"""Rows of a source; one that an `rl` stage learns from has as many as a step takes."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the recipes' models have it: a folder, a chat template, room for their longest completions."""
    folder = tmp_path_factory.mktemp("model")
    small = TinyModel(layers=1, hidden_size=64, heads=1, kv_heads=1, intermediate_size=64)
    make_tiny(small.model_copy(update={"max_position_embeddings": 2**17}), folder, seed=0)
    return folder


@pytest.mark.parametrize("name", shipped_recipes())
def test_it_fits_together(name: str, model: Path, tmp_path: Path) -> None:
    report = preflight(load_recipe(with_our_own(name, model, tmp_path)))
    assert report.lines


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN_HERE)
def test_it_runs(name: str, model: Path, tmp_path: Path) -> None:
    recipe = with_our_own(name, model, tmp_path, smaller=True)
    command = [sys.executable, "-m", "grpo.cli.train", recipe]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    for stage, settings in load_recipe(recipe).recipe.stages.items():
        folder = tmp_path / "run" / stage
        assert json.loads((folder / "stage.json").read_text())["status"] == "done"
        made = {"sample": "data.jsonl", "evaluate": "benchmarks"}.get(settings.kind, "final/model.safetensors")
        assert (folder / made).exists()


def with_our_own(name: str, model: Path, folder: Path, *, smaller: bool = False) -> str:
    """Writes the resolved recipe with our rows and our model, and returns its file. smaller: and at toy sizes."""
    recipe = load_recipe(name).resolved
    recipe["run_dir"] = str(folder / "run")
    recipe["model"] = replaced(recipe["model"], model, folder, {})
    for key, stage in recipe["stages"].items():
        row = {"prompt": "1+1=", "completion": "2"} if stage["kind"] == "sft" else {}
        if smaller:
            SMALLER[stage["kind"]](stage)
        taken = {"data", "mixture"} if stage["kind"] == "rl" else set()
        recipe["stages"][key] = {
            part: replaced(value, model, folder, row, stage["prompts_per_step"] if part in taken else FEW)
            for part, value in stage.items()
        }
        if stage.get("reference") and not stage["reference"].startswith("stage:"):
            recipe["stages"][key]["reference"] = str(model)
    path = folder / "recipe.yaml"
    path.write_text(write_yaml(recipe))
    return str(path)


def replaced(value: Any, model: Path, folder: Path, row: Keys, rows: int = FEW) -> Any:
    """`value` with our rows for every `Data` in it, and our model for every `Model`. row: what each row has besides."""
    if isinstance(value, list):
        return [replaced(each, model, folder, row, rows) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == Model.model_fields.keys():
        return {"path": str(model), "dtype": "float32"}
    if value.keys() == Data.model_fields.keys():
        return value if value["source"].startswith("stage:") else data(value, folder, row, rows)
    return {key: replaced(each, model, folder, row, rows) for key, each in value.items()}


def data(settings: Keys, folder: Path, row: Keys, rows: int) -> Keys:
    """The same settings on rows of ours; a task makes its own."""
    if settings["source"].startswith("task:"):
        return settings | {"rows": None, "options": settings["options"] | {"count": rows}}
    cells = [of for ours, theirs in settings["columns"].items() for of in cells_of(theirs, ours == "prompt")]
    lines = [row | {column: make(number) for column, make in cells} for number in range(rows)]
    file = folder / f"rows_{len(list(folder.iterdir()))}.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return settings | {"source": str(file), "name": None, "split": "train", "rows": None}


def cells_of(text: str, asks: bool) -> list[tuple[str, Callable[[int], Any]]]:
    """The columns that a mapping's value names, and what fills them: questions where it `asks`, else numbers."""
    make = question if asks else small_number
    if "{{" not in text:
        return [(text, make)]
    tree = Environment().parse(text)
    lists = {loop.iter.name for loop in tree.find_all(nodes.For) if isinstance(loop.iter, nodes.Name)}
    return [(each, choices if each in lists else make) for each in sorted(meta.find_undeclared_variables(tree))]


def question(number: int) -> str:
    return f"How many are {small_number(number)} and none?"


def small_number(number: int) -> int:
    """Fit for a place in a list of choices too."""
    return number % 4


def choices(number: int) -> list[str]:
    return ["none", "one", "two", "three"]


def smaller_sft(stage: Keys) -> None:
    stage |= {"steps": 2, "epochs": None, "batch_size": 2, "microbatch_size": 1, "max_length": 2048}


def smaller_rl(stage: Keys) -> None:
    stage |= {"steps": 2, "epochs": None, "prompts_per_step": 2, "num_generations": 2, "train_generations": None}
    stage |= {"updates_per_step": 1, "changes": [], "max_completion_length": 8, "tokens_per_microbatch": 2048}
    if stage["evaluate"]:
        stage["evaluate"] |= {"every": 2, "num_generations": 1, "max_completion_length": None}


def smaller_sample(stage: Keys) -> None:
    """Without filters: a model that has learned nothing gets nothing right."""
    stage |= {"num_generations": 2, "prompts_per_round": 2, "max_completion_length": 8, "keep": []}


def smaller_evaluate(stage: Keys) -> None:
    for benchmark in stage["benchmarks"].values():
        benchmark |= {"num_generations": 1, "max_completion_length": 8}


SMALLER = {"sft": smaller_sft, "rl": smaller_rl, "sample": smaller_sample, "evaluate": smaller_evaluate}
