"""Supervised fine-tuning: what an update holds, in every precision and number of processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = """\
model:
  tiny: {layers: 1, hidden_size: 64, heads: 1, kv_heads: 1, intermediate_size: 64, max_position_embeddings: 64}
  dtype: DTYPE
run_dir: RUN
stages:
  warm:
    kind: sft
    data: {source: "task:arithmetic", template: none, options: {level: 1, count: 16, solutions: true}}
    epochs: 1
    batch_size: 4
    max_length: 64
    learning_rate: 1.0e-3
    lr_scheduler_type: cosine
    lr_floor: 0.1
"""


def updates(folder: Path, processes: int, dtype: str = "float32") -> list[dict[str, float]]:
    folder.mkdir()
    (folder / "r.yaml").write_text(RECIPE.replace("RUN", str(folder / "run")).replace("DTYPE", dtype))
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_machines", "1", "--mixed_precision", "no"]
    launch += ["--dynamo_backend", "no", "--num_processes", str(processes), "-m"]
    command = [sys.executable, *(launch if processes > 1 else ["-m"]), "grpo.cli.train", str(folder / "r.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in (folder / "run" / "warm" / "metrics.jsonl").read_text().splitlines()]


def test_in_bf16_on_a_cpu_it_learns_like_in_fp32(tmp_path: Path) -> None:
    full, half = updates(tmp_path / "full", 1), updates(tmp_path / "half", 1, "bfloat16")
    assert [entry["step"] for entry in half] == [1, 2, 3, 4]
    assert half[-1]["loss"] == pytest.approx(full[-1]["loss"], rel=0.02)
    assert half[0]["learning_rate"] == 1e-3 and half[-1]["learning_rate"] > 1e-4


@pytest.mark.slow
def test_two_processes_share_an_update(tmp_path: Path) -> None:
    one, two = updates(tmp_path / "one", 1), updates(tmp_path / "two", 2)
    assert len(one) == len(two) == 4
    for alone, shared in zip(one, two, strict=True):
        assert alone["learning_rate"] == shared["learning_rate"]
