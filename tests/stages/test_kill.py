"""`kill -9` at any moment, start again: the same bytes as a run left alone, at most one checkpoint interval redone."""

import gzip
import json
import random
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

DYING_RUN = Path(__file__).with_name("dying_run.py")
SAVE_EVERY = 3
SMALL = (
    "stages.warm_start.steps=12",
    "stages.warm_start.checkpoints.save_every=4",
    "stages.zero.steps=8",
    f"stages.zero.checkpoints.save_every={SAVE_EVERY}",
    "stages.zero.evaluate.every=4",
    "stages.zero.evaluate.data.options.count=16",
    "stages.zero.prompts_per_step=4",
)
# The moment and the number of the call at which the process dies there; counts reach into different steps.
MOMENTS = (
    ("sft_update", 7),
    ("sft_checkpoint", 1),
    ("sft_final", 1),
    ("sampling", 90),
    ("update", 2),
    ("sync", 5),
    ("record", 2),
    ("evaluation", 1),
    ("checkpoint", 1),
    ("after_checkpoint", 1),
    ("final", 1),
)


def run(run_dir: Path, moment: str = "none", count: int = 0) -> subprocess.Popen:
    command = [sys.executable, str(DYING_RUN), moment, str(count), "quickstart", f"run_dir={run_dir}", *SMALL]
    log = run_dir.with_suffix(".log").open("a")
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def fingerprint(run_dir: Path) -> dict[str, str]:
    """Checksums of all that must not depend on how often the run was killed: weights, metrics, rollouts."""
    files = [
        path
        for stage in ("warm_start", "zero")
        for pattern in ("final/*", "metrics.jsonl", "evaluations.jsonl", "rollouts/*")
        for path in (run_dir / stage).glob(pattern)
    ]
    return {str(path.relative_to(run_dir)): sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def last_recorded_step(run_dir: Path) -> int:
    metrics = run_dir / "zero" / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    return max((json.loads(line)["step"] for line in lines), default=0)


def newest_checkpoint(run_dir: Path) -> int:
    from grpo.training.checkpoints import newest_whole

    checkpoint = newest_whole(run_dir / "zero" / "checkpoints")
    return checkpoint.step if checkpoint else 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    assert run(run_dir).wait(timeout=600) == 0, run_dir.with_suffix(".log").read_text()[-3000:]
    return run_dir


def test_the_undisturbed_run_left_a_whole_record(undisturbed: Path) -> None:
    rollouts = sorted((undisturbed / "zero" / "rollouts").glob("*.jsonl.gz"))
    assert len(rollouts) == 8
    first = json.loads(gzip.decompress(rollouts[0].read_bytes()).splitlines()[0])
    assert {"prompt", "completion", "advantage", "finish_reason"} <= first.keys()
    assert len((undisturbed / "zero" / "metrics.jsonl").read_text().splitlines()) == 8


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_every_named_moment_it_ends_with_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    for moment, count in MOMENTS:
        code = run(run_dir, moment, count).wait(timeout=600)
        assert code == -signal.SIGKILL, (moment, code, run_dir.with_suffix(".log").read_text()[-3000:])
        redone = last_recorded_step(run_dir) - newest_checkpoint(run_dir)
        assert 0 <= redone <= SAVE_EVERY, (moment, redone)
    assert run(run_dir).wait(timeout=600) == 0
    assert fingerprint(run_dir) == fingerprint(undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_random_moments_it_ends_with_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    run_dir, kills, generator = tmp_path / "run", 0, random.Random(0)
    while kills < 10:
        process = run(run_dir)
        time.sleep(generator.uniform(12, 40))
        if process.poll() is not None:
            assert process.returncode == 0
            break
        process.kill()
        process.wait()
        kills += 1
        assert 0 <= last_recorded_step(run_dir) - newest_checkpoint(run_dir) <= SAVE_EVERY
    assert run(run_dir).wait(timeout=600) == 0
    assert fingerprint(run_dir) == fingerprint(undisturbed)
