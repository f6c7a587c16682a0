"""Completions rewritten by another model: a `sample` stage on the rows of one, with a model of its own."""

import json
from pathlib import Path

from grpo.pipeline.run import run_recipe
from grpo.recipe.load import load_recipe

RECIPE = """\
model:
  tiny: &tiny {layers: 1, hidden_size: 64, heads: 1, kv_heads: 1, intermediate_size: 64, max_position_embeddings: 128}
  dtype: float32
run_dir: RUN
stages:
  raw:
    kind: sample
    data: {source: "task:arithmetic", template: none, options: {level: 1, count: 6}}
    rewards: [{use: math, params: {extract: last_number}}]
    num_generations: 2
    max_completion_length: 8
    rollout: {engine: transformers}
  polished:
    like: raw
    model: {tiny: {<<: *tiny, layers: 2}, dtype: float32}
    data:
      source: stage:raw
      columns: {prompt: "Write this well: {{ prompt }}{{ completion }}", question: prompt, draft: completion}
      options: null
    num_generations: 1
  student:
    kind: sft
    policy: base
    data: {source: "stage:polished", template: none, columns: {prompt: question}}
    epochs: 1
    batch_size: 4
    max_length: 64
"""


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_second_model_rewrites_and_the_question_stays(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.replace("RUN", str(tmp_path / "run")))
    run_recipe(load_recipe(str(tmp_path / "r.yaml")))
    raw, polished = (rows(tmp_path / "run" / name / "data.jsonl") for name in ("raw", "polished"))
    drafts = {(row["prompt"], row["completion"]) for row in raw}
    assert polished and {(row["question"], row["draft"]) for row in polished} <= drafts
    assert all(row["prompt"] == f"Write this well: {row['question']}{row['draft']}" for row in polished)
    assert all(row["completion"] != row["draft"] and row["solution"] for row in polished)
    config = json.loads((tmp_path / "run" / "bases" / "polished" / "config.json").read_text())
    assert config["num_hidden_layers"] == 2
    assert (tmp_path / "run" / "student" / "final").is_dir()
