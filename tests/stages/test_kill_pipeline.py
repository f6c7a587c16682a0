"""`kill -9` at twenty random moments of the whole R1 graph, in every kind of stage: the same bytes as left alone."""

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from grpo.training.checkpoints import newest_whole

KILLS = 20
SAVE_EVERY = 2
SMALL = (
    *(f"stages.{name}.steps=6" for name in ("base_model", "student_base")),
    *(f"stages.{name}.checkpoints.save_every=3" for name in ("base_model", "student_base")),
    *(f"stages.{name}.epochs=1" for name in ("cold_start", "sft", "distill")),
    *(f"stages.{name}.max_length=160" for name in ("cold_start", "sft", "distill")),
    *(f"stages.{name}.steps=4" for name in ("r1_zero", "reasoning_rl", "rl_all", "student_rl")),
    *(f"stages.{name}.prompts_per_step=8" for name in ("r1_zero", "reasoning_rl", "rl_all")),
    *(f"stages.{name}.checkpoints.save_every={SAVE_EVERY}" for name in ("r1_zero", "reasoning_rl", "rl_all")),
    *(f"stages.{name}.refresh_reference_every=3" for name in ("r1_zero", "reasoning_rl", "rl_all")),
    *(f"stages.{name}.keep=[]" for name in ("cold_data", "rejection")),  # a base of six updates is never right
    *(f"stages.{name}.prompts_per_round=8" for name in ("cold_data", "rejection")),
    "stages.rl_all.changes.0.at_update=2",
    "stages.cold_data.data.rows=0:32",
    "stages.rejection.data.rows=32:64",
    *(f"stages.exam_base.benchmarks.{name}.data.options.count=16" for name in ("math", "hard", "general")),
)


def run(run_dir: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "grpo.cli.train", "r1/tiny", f"run_dir={run_dir}", *SMALL]
    log = run_dir.with_suffix(".log").open("a")
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def whole(run_dir: Path) -> None:
    """Runs it to its end."""
    assert run(run_dir).wait(timeout=1800) == 0, run_dir.with_suffix(".log").read_text()[-3000:]


RESULTS = (
    "*/final/*", "*/metrics.jsonl", "*/evaluations.jsonl", "*/rollouts/*", "*/data.jsonl", "*/rejected.jsonl.gz",
    "*/samples/*", "*/benchmarks/*", "*/completions/*", "table.md",
)  # fmt: skip


def results(run_dir: Path) -> list[Path]:
    return sorted(path for pattern in RESULTS for path in run_dir.glob(pattern) if path.is_file())


def fingerprint(run_dir: Path) -> dict[str, str]:
    """Checksums of weights, rows, figures and completions."""
    return {str(path.relative_to(run_dir)): sha256(path.read_bytes()).hexdigest() for path in results(run_dir)}


def made(run_dir: Path) -> int:
    """Bytes of results so far."""
    total = 0
    for path in results(run_dir):
        with suppress(FileNotFoundError):  # replaced meanwhile
            total += path.stat().st_size
    return total


def wait_for_more(process: subprocess.Popen, run_dir: Path, most: int) -> None:
    """Until the run has made more than it ever had, however slow the machine is, or has ended."""
    until = time.monotonic() + 1200
    while process.poll() is None and made(run_dir) <= most:
        assert time.monotonic() < until, run_dir.with_suffix(".log").read_text()[-3000:]
        time.sleep(0.2)


def running(run_dir: Path) -> Path | None:
    """The stage that was under way."""
    for ledger in run_dir.glob("*/stage.json"):
        if json.loads(ledger.read_text())["status"] == "running":
            return ledger.parent
    return None


def to_redo(stage: Path) -> int:
    """Steps of an `rl` stage that were recorded and are not in a checkpoint."""
    metrics = stage / "metrics.jsonl"
    recorded = len(metrics.read_text().splitlines()) if metrics.exists() else 0
    checkpoint = newest_whole(stage / "checkpoints") if (stage / "checkpoints").exists() else None
    return recorded - (checkpoint.step if checkpoint else 0)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_killed_at_twenty_random_moments_the_pipeline_ends_with_the_same_bytes(tmp_path: Path) -> None:
    undisturbed, generator, runs = tmp_path / "undisturbed", random.Random(0), [tmp_path / "run0"]
    began = time.monotonic()
    whole(undisturbed)
    spread = 2 * (time.monotonic() - began) / KILLS
    killed_in: list[str] = []
    most = 0
    while len(killed_in) < KILLS:
        run_dir = runs[-1]
        process = run(run_dir)
        if generator.random() < 0.8:  # the others die while they start
            wait_for_more(process, run_dir, most)
        time.sleep(generator.uniform(0, spread))
        if process.poll() is not None:
            assert process.returncode == 0, run_dir.with_suffix(".log").read_text()[-3000:]
            runs.append(tmp_path / f"run{len(runs)}")  # it got to its end before all kills were spent
            most = 0
            continue
        process.send_signal(signal.SIGKILL)
        process.wait()
        most = max(most, made(run_dir))
        stage = running(run_dir)
        killed_in.append(stage.name if stage else "")
        if stage is not None and (stage / "rollouts").exists():
            assert 0 <= to_redo(stage) <= SAVE_EVERY, stage
    whole(runs[-1])
    print(f"killed in {killed_in}, over {len(runs)} runs")
    assert len(set(killed_in)) > 5
    for run_dir in runs:
        assert fingerprint(run_dir) == fingerprint(undisturbed)
