"""A run that mixes sources of prompts: who gives how many, who judges them, and that it resumes exactly."""

import json
from collections import Counter
from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.pipeline.preflight import preflight
from grpo.pipeline.run import run_recipe
from grpo.recipe.load import LoadedRecipe, load_recipe
from grpo.report.completions import read
from grpo.report.record import METRICS
from tests.stages.conftest import stopped_at

RECIPE = """\
model:
  tiny: {layers: 1, hidden_size: 64, heads: 1, kv_heads: 1, intermediate_size: 64, max_position_embeddings: 64}
  dtype: float32
run_dir: RUN
stages:
  zero:
    kind: rl
    mixture:
      sums:
        data: {source: "task:arithmetic", template: none, options: {level: 1, count: 7}}
        rewards: [{use: math, params: {extract: last_number}}]
        weight: 3
      letters:
        data: {source: "task:comparison", template: none, options: {level: 1, count: 9}}
        rewards: [choice]
        weight: 0
    rewards: [{use: length, params: {form: soft_overlong, max_length: 6, cache: 3}}]
    changes: [{at_update: 4, mixture: {letters: 1}}]
    steps: 4
    updates_per_step: 2
    prompts_per_step: 4
    num_generations: 4
    max_completion_length: 6
    learning_rate: 1.0e-3
    rollout: {engine: transformers}
    checkpoints: {save_every: 1}
"""


def load(folder: Path, *overrides: str) -> LoadedRecipe:
    (folder / "r.yaml").write_text(RECIPE.replace("RUN", str(folder / "run")))
    return load_recipe(str(folder / "r.yaml"), overrides)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run_recipe(load(folder))
    return folder / "run" / "zero"


def rollouts(stage: Path) -> list[list[dict]]:
    return [read(path) for path in sorted((stage / "rollouts").iterdir())]


def test_sources_give_their_shares_and_no_prompt_comes_twice_in_an_epoch(undisturbed: Path) -> None:
    shares = [Counter(row["source"] for row in rows) for rows in rollouts(undisturbed)]
    assert [{name: count // 4 for name, count in each.items()} for each in shares] == [
        {"sums": 4},
        {"sums": 4},
        {"sums": 3, "letters": 1},
        {"sums": 3, "letters": 1},
    ]
    firsts = [row["prompt"] for rows in rollouts(undisturbed) for row in rows if row["source"] == "sums"][::4]
    assert len(set(firsts[:7])) == len(set(firsts[7:14])) == 7
    metrics = [json.loads(line) for line in (undisturbed / METRICS).read_text().splitlines()]
    assert [entry["sources/sums/prompts"] for entry in metrics] == [4, 4, 3, 3]
    assert "sources/letters/reward" in metrics[3] and "sources/letters/reward" not in metrics[0]


def test_rows_are_judged_by_the_rewards_of_their_source(undisturbed: Path) -> None:
    for row in (row for rows in rollouts(undisturbed) for row in rows):
        other = "choice" if row["source"] == "sums" else "math"
        own = {"choice", "math"} - {other}
        assert row["verdicts"][other]["status"] == "not_applicable"
        assert row["verdicts"][own.pop()]["status"] == row["verdicts"]["length"]["status"] == "scored"
        judged = [verdict["score"] for verdict in row["verdicts"].values() if verdict["score"] is not None]
        assert row["reward"] == pytest.approx(sum(judged))


@pytest.mark.parametrize("dies_at", [2, 3, 4])
def test_stopped_anywhere_it_ends_with_the_same_bytes(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    with stopped_at(dies_at, monkeypatch):
        run_recipe(load(tmp_path))
    run_recipe(load(tmp_path))
    stage = tmp_path / "run" / "zero"
    for name in (METRICS, "final/model.safetensors", *(f"rollouts/step_{n:06d}.jsonl.gz" for n in range(1, 5))):
        assert (stage / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_a_source_with_too_few_prompts_is_refused_before_anything_runs(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, "stages.zero.mixture.letters.data.options.count=1", "stages.zero.changes.0.mixture.letters=3"
    )
    with pytest.raises(UserError, match="a step takes 2 prompts of source 'letters', and the data has 1"):
        preflight(loaded)
    assert not (tmp_path / "run").exists()
