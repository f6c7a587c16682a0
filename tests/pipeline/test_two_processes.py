"""Every kind of stage under `accelerate launch` with two processes: the same rows, figures and lineage as with one."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.test_stages import RECIPE

MIXED = """\
  mixed:
    kind: rl
    policy: warm
    beta: 0.1
    refresh_reference_every: 2
    mixture:
      sums:
        data: {source: "task:arithmetic", template: none, options: {level: 1, count: 7}}
        rewards: [{use: math, params: {extract: last_number}}]
        weight: 2
      letters:
        data: {source: "task:comparison", template: none, options: {level: 1, count: 9}}
        rewards: [choice]
    rewards: [{use: length, params: {form: soft_overlong, max_length: 6, cache: 3}}]
    steps: 4
    prompts_per_step: 4
    num_generations: 4
    max_completion_length: 6
    learning_rate: 1.0e-3
    rollout: {engine: transformers}
"""
SAME = ("traces/data.jsonl", "traces/rejected.jsonl.gz", "mixed/rollouts/step_000001.jsonl.gz")
LAUNCH = ("accelerate.commands.launch", "--cpu", "--num_machines", "1", "--mixed_precision", "no", "--num_processes")


def run(folder: Path, processes: int, *overrides: str) -> Path:
    folder.mkdir()
    (folder / "r.yaml").write_text(RECIPE.replace("RUN", str(folder / "run")) + MIXED)
    launcher = ["-m", *LAUNCH, str(processes), "--dynamo_backend", "no"]
    command = [sys.executable, *launcher, "-m", "grpo.cli.train", str(folder / "r.yaml"), *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "run"


@pytest.mark.slow
def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    one, two = run(tmp_path / "one", 1), run(tmp_path / "two", 2)
    for name in SAME:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    figures = [json.loads((run_dir / "mixed" / "metrics.jsonl").read_text().splitlines()[-1]) for run_dir in (one, two)]
    for name in ("reward", "kl", "loss", "sources/sums/reward", "rewards/length/mean"):
        assert figures[0][name] == pytest.approx(figures[1][name], rel=1e-3, abs=1e-5), name
    keys = [json.loads((run_dir / "mixed" / "stage.json").read_text())["key"] for run_dir in (one, two)]
    assert keys[0] == keys[1]


@pytest.mark.slow
def test_each_process_has_a_vllm_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    settings = ("stages.mixed.rollout={engine: vllm, kv_cache_gib: 0.25}", "stages.mixed.keep_rollouts=4")
    mixed = run(tmp_path / "two", 2, *settings) / "mixed"
    steps = [json.loads(line) for line in (mixed / "metrics.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    for step in steps:
        assert step["sampling/logp_difference"] < 1e-4  # every engine has the weights that its trainer has
    rows = gzip.decompress((mixed / "rollouts" / "step_000004.jsonl.gz").read_bytes()).splitlines()
    assert len(rows) == 4 * 4
