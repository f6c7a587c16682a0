"""What can go wrong around a run: what is said, what is still there, and that the run then ends as if nothing had."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from grpo.errors import GuardError, UserError
from grpo.pipeline.lock import full_disk, run_folder
from grpo.pipeline.preflight import preflight
from grpo.pipeline.run import run_recipe
from grpo.recipe.load import LoadedRecipe, load_recipe
from grpo.training.checkpoints import newest_whole
from tests.stages.conftest import stopped_at

RECIPE = """\
model:
  tiny: {layers: 1, hidden_size: 64, heads: 1, kv_heads: 1, intermediate_size: 64, max_position_embeddings: 64}
  dtype: float32
run_dir: RUN
stages:
  warm:
    kind: sft
    data: {source: "task:arithmetic", template: none, options: {level: 1, count: 32, solutions: true}}
    steps: 4
    batch_size: 8
    max_length: 64
    checkpoints: {save_every: 2}
  zero:
    kind: rl
    data: {source: "task:arithmetic", template: none, options: {level: 1, count: 16}}
    rewards: [{use: REWARD}]
    steps: 3
    prompts_per_step: 4
    num_generations: 4
    max_completion_length: 6
    learning_rate: 1.0e-3
    rollout: {engine: transformers}
    checkpoints: {save_every: 1}
"""
SHORT = "short.py:short"
SHORT_REWARD = "def short(completions, **_):\n    return [-float(len(text)) for text in completions]\n"


def load(folder: Path, *overrides: str, run_dir: Path | None = None, reward: str = SHORT) -> LoadedRecipe:
    (folder / "short.py").write_text(SHORT_REWARD)
    text = RECIPE.replace("RUN", str(run_dir or folder / "run")).replace("REWARD", reward)
    (folder / "r.yaml").write_text(text)
    return load_recipe(str(folder / "r.yaml"), overrides)


def weights(run: Path) -> dict[str, str]:
    return {s: sha256((run / s / "final" / "model.safetensors").read_bytes()).hexdigest() for s in ("warm", "zero")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed")
    run_recipe(load(folder))
    return weights(folder / "run")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk(undisturbed: dict[str, str], small_disk: Path, tmp_path: Path) -> None:
    run = small_disk / "run"
    with pytest.raises(UserError, match="the disk is full: ") as caught:
        run_recipe(load(tmp_path, run_dir=run))
    assert caught.value.where == f"run_dir {run}" and "the same command goes on" in str(caught.value)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    run_recipe(load(tmp_path, run_dir=run))
    assert weights(run) == undisturbed


def test_a_quota_counts_as_a_full_disk_and_a_bug_does_not(tmp_path: Path) -> None:
    assert full_disk(OSError(errno.EDQUOT, "quota"), tmp_path) == tmp_path
    assert full_disk(OSError(errno.EIO, "broken"), tmp_path) is None
    assert full_disk(ValueError("a bug"), tmp_path) is None


def test_a_disk_that_is_full_elsewhere_is_named(small_disk: Path, tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", str(small_disk / "cache" / "x"))
    (small_disk / "cache").mkdir()
    assert full_disk(error, tmp_path) == small_disk / "cache"
    assert full_disk(error, small_disk) == small_disk


def test_a_read_only_folder(small_disk: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(UserError, match=f"run_dir: cannot write to {small_disk}"):
        preflight(load(tmp_path, run_dir=small_disk / "run"))


def test_a_truncated_checkpoint(
    undisturbed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with stopped_at(3, monkeypatch):
        run_recipe(load(tmp_path))
    checkpoints = tmp_path / "run" / "zero" / "checkpoints"
    newest = newest_whole(checkpoints)
    assert newest is not None and newest.step == 2
    largest = max(newest.folder.rglob("*"), key=lambda path: path.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)
    run_recipe(load(tmp_path))
    assert f"checkpoint {newest.folder} is broken and passed over" in caplog.text
    assert weights(tmp_path / "run") == undisturbed


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("run/stage/metrics.jsonl", "run_dir {root}/run: cannot write: .* Give a run_dir you can write to"),
        ("cache/model", "{root}/cache/model: not allowed: Permission denied"),
    ],
)
def test_what_this_user_may_not_write_is_named(tmp_path: Path, file: str, message: str) -> None:
    with pytest.raises(UserError) as caught, run_folder(tmp_path / "run", load(tmp_path)):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / file))
    assert re.search(message.format(root=tmp_path), str(caught.value).replace("\n", " "))


def test_two_processes_on_one_run_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    holding = (
        f"import fcntl, sys, time; f = open({str(run / '.lock')!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holding], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match="another process is working on this run folder"):
            run_recipe(load(tmp_path))
        other.kill()
    assert {path.name for path in run.iterdir()} == {".lock"}


def test_a_missing_input(tmp_path: Path) -> None:
    loaded = load(tmp_path, "stages.zero.data={source: gone.jsonl, template: none}")
    with pytest.raises(UserError, match="stages.zero.data.source: .*gone.jsonl"):
        preflight(loaded)
    assert not (tmp_path / "run").exists()


def test_a_graph_that_goes_in_a_circle(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="stages need each other in a circle: "):
        load(tmp_path, "stages.warm.policy=zero")
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_was_edited_under_a_stage(
    undisturbed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stopped_at(2, monkeypatch):
        run_recipe(load(tmp_path))
    with pytest.raises(
        UserError, match=r"half done and was started with other settings: settings.num_generations: 4 → 2"
    ):
        run_recipe(load(tmp_path, "stages.zero.num_generations=2"))
    run_recipe(load(tmp_path))
    assert weights(tmp_path / "run") == undisturbed


def test_a_reward_worker_that_is_killed(tmp_path: Path) -> None:
    """The completion under its hands, each time that it is tried, could not be judged; the run goes on."""
    (tmp_path / "killing.py").write_text(
        "import os, pathlib, signal\n"
        "from rewards import RowReward, scored\n"
        f"victim = pathlib.Path({str(tmp_path / 'victim')!r})\n"
        "class Killing(RowReward):\n"
        "    name = 'killing'\n"
        "    def judge_one(self, completion, row):\n"
        "        if not victim.exists():\n"
        "            victim.write_text(row['prompt'] + completion)\n"
        "        if victim.read_text() == row['prompt'] + completion:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return scored(-float(len(completion)))\n"
    )
    run_recipe(load(tmp_path, "stages.zero.reward_workers=1", reward="killing.py:Killing"))
    lines = (tmp_path / "run" / "zero" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["rewards/Killing/error"] for line in lines] == [1.0, 0.0, 0.0]


@pytest.mark.slow
def test_an_engine_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vllm")
    from grpo.rollout.vllm_engine import VllmEngine

    engine_settings = "stages.zero.rollout={engine: vllm, placement: own_process, kv_cache_gib: 0.5}"
    generate, calls = VllmEngine.generate, []

    def dying(self: VllmEngine, *arguments):
        calls.append(None)
        if len(calls) == 2:
            for child in children(os.getpid()):
                if "EngineCore" in Path(f"/proc/{child}/cmdline").read_text():
                    os.kill(child, signal.SIGKILL)
        return generate(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(VllmEngine, "generate", dying)
        with pytest.raises(GuardError, match="vLLM's engine process died"):
            run_recipe(load(tmp_path, engine_settings))
    newest = newest_whole(tmp_path / "run" / "zero" / "checkpoints")
    assert newest is not None and newest.step == 1
    run_recipe(load(tmp_path, engine_settings))


def children(process: int) -> list[int]:
    """Its child processes, and theirs."""
    direct = [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return direct + [other for child in direct for other in children(child)]


def test_an_interrupted_sft(undisturbed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trl import SFTTrainer

    step, calls = SFTTrainer.training_step, []

    def interrupted(self: SFTTrainer, *arguments, **keywords):
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return step(self, *arguments, **keywords)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SFTTrainer, "training_step", interrupted)
        run_recipe(load(tmp_path))
    assert (tmp_path / "run" / "warm" / "checkpoints" / "checkpoint-2").is_dir()
    run_recipe(load(tmp_path))
    assert weights(tmp_path / "run") == undisturbed


def test_shared_memory_that_is_full_is_named(small_disk: Path, tmp_path: Path) -> None:
    import torch

    from grpo.rollout.weight_transfer import _save

    with pytest.raises(OSError, match="No space left") as caught:
        _save({"w": torch.zeros(2**20)}, str(small_disk / "part.safetensors"))
    assert full_disk(caught.value, tmp_path) == small_disk
