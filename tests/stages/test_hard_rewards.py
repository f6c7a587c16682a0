"""A run goes on where rewards fail on some completions and a worker is killed from outside; it stops where all fail."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import fmean

import pytest

from grpo.report.completions import read
from tests.stages.hard_rewards import lot

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
STEPS = 4
RECIPE = f"""\
model:
  tiny: {{layers: 1, hidden_size: 64, heads: 1, kv_heads: 1, intermediate_size: 64, max_position_embeddings: 64}}
  dtype: float32
run_dir: run
stages:
  zero:
    kind: rl
    data: {{source: "task:arithmetic", template: none, options: {{level: 1, count: 64}}}}
    rewards:
      - {{use: "{HERE / "hard_rewards.py"}:Steady", name: steady, seconds: 0.2}}
      - {{use: "{HERE / "hard_rewards.py"}:half", name: half, weight: 0.5}}
    steps: {STEPS}
    prompts_per_step: 6
    num_generations: 8
    max_completion_length: 16
    scale_rewards: none
    rollout: {{engine: transformers}}
"""


def start(folder: Path, *overrides: str) -> subprocess.Popen:
    (folder / "r.yaml").write_text(RECIPE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "grpo.cli.train", "r.yaml", *overrides]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def workers_of(process: int) -> list[int]:
    """Reward workers among the descendants of a process."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            found += [child] if b"rewards.worker" in command else workers_of(child)
    return found


def kill_a_worker(process: int, seconds: float = 60) -> bool:
    """Once workers are there, one is killed; False where none was seen in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if workers := workers_of(process):
            os.kill(workers[0], signal.SIGKILL)
            return True
        time.sleep(0.01)
    return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hard")
    process = start(place)
    killed = kill_a_worker(process.pid)
    output, _ = process.communicate(timeout=240)
    assert killed and process.returncode == 0, output[-3000:]
    return place / "run" / "zero"


def test_every_kind_of_failure_is_counted_in_the_metrics(folder: Path) -> None:
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == list(range(1, STEPS + 1))
    for line in metrics:
        lots = [lot(entry["completion"]) for entry in read(folder / "rollouts" / f"step_{line['step']:06d}.jsonl.gz")]
        assert line["rewards/steady/error"] == lots.count(0)
        assert line["rewards/steady/timeout"] == lots.count(1)
        assert line["rewards/steady/unjudged"] == lots.count(0) + lots.count(1)
        assert line["rewards/half/not_applicable"] == sum(number % 2 == 0 for number in lots)
        assert line["rewards/half/unjudged"] == 0
    assert sum(line["rewards/steady/error"] for line in metrics) > 0
    assert sum(line["rewards/steady/timeout"] for line in metrics) > 0


def test_no_baseline_uses_an_unjudged_completion(folder: Path) -> None:
    for path in sorted((folder / "rollouts").iterdir()):
        groups: dict[str, list[dict]] = {}
        for entry in read(path):
            groups.setdefault(entry["prompt_id"], []).append(entry)
        for group in groups.values():
            judged = [entry for entry in group if lot(entry["completion"]) > 1]
            for entry in judged:
                own = entry["verdicts"]["steady"]["score"] + 0.5 * (lot(entry["completion"]) % 2)
                assert entry["reward"] == pytest.approx(own)
            for entry in group:
                if entry not in judged:
                    assert (entry["reward"], entry["advantage"]) == (None, 0.0)
                elif len(judged) > 1:
                    baseline = fmean(sibling["reward"] for sibling in judged)
                    assert entry["advantage"] == pytest.approx(entry["reward"] - baseline, abs=1e-9)


def test_a_reward_that_always_raises_stops_the_run_in_its_first_step(tmp_path: Path) -> None:
    process = start(tmp_path, f"stages.zero.rewards=['{HERE / 'hard_rewards.py'}:never']")
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 3
    assert "ZeroDivisionError: nothing right about 48 completions" in output and "hard_rewards.py" in output
    assert not (tmp_path / "run" / "zero" / "metrics.jsonl").exists()
