"""Stopped and started again, a run ends with the same bytes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from grpo.errors import UserError
from grpo.recipe.fields import Lora
from grpo.training.checkpoints import newest_whole, write_checkpoint
from grpo.training.update import Updater
from tests.training.cases import make_samples

Make = Callable[..., Updater]

CASES = {
    "fp32": {},
    "bf16": {"dtype": "bfloat16"},
    "four updates, a schedule and a reference": {
        "updates_per_step": 4, "lr_scheduler_type": "cosine", "warmup_updates": 3, "beta": 0.04, "weight_decay": 0.1,
    },
    "bf16 with LoRA": {"dtype": "bfloat16", "lora": Lora(r=4)},
    "8-bit states": {"dtype": "bfloat16", "optim": "adamw_torch_8bit", "weight_decay": 0.1, "warmup_updates": 3},
    "stochastic rounding": {"dtype": "bfloat16", "stochastic_rounding": True, "updates_per_step": 2},
    "both": {"dtype": "bfloat16", "optim": "adamw_torch_8bit", "stochastic_rounding": True},
}  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES)
def test_state_figures_and_policy_are_the_same_bytes(updater: Make, tmp_path: Path, case: str) -> None:
    if {"optim", "stochastic_rounding"} & CASES[case].keys():
        pytest.importorskip("torchao")

    def rounds(trainer: Updater, steps: range) -> list[dict[str, float]]:
        return [trainer.round(make_samples(8, seed=step), 20) for step in steps]

    def written(trainer: Updater, name: str) -> dict[str, bytes]:
        (tmp_path / name).mkdir()
        trainer.save(tmp_path / name)
        trainer._policy.save(tmp_path / name / "policy")
        return files(tmp_path / name)

    undisturbed = updater(total_updates=16, **CASES[case])
    figures = rounds(undisturbed, range(4))

    stopped = updater(total_updates=16, **CASES[case])
    rounds(stopped, range(2))
    checkpoint = write_checkpoint(tmp_path / "checkpoints", 2, stopped.save, {})
    torch.rand(5)  # an engine in the same process draws from the global generator
    resumed = updater(total_updates=16, **CASES[case])
    resumed.load(checkpoint)
    assert rounds(resumed, range(2, 4)) == figures[2:]
    assert resumed.updates_done == undisturbed.updates_done
    assert written(resumed, "resumed") == written(undisturbed, "undisturbed")


def test_a_checkpoint_of_another_optimizer_is_refused(updater: Make, tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    updater(optim="adamw_torch_8bit").save(tmp_path)
    with pytest.raises(UserError, match="exp_avg.*is a tensor of another optimizer"):
        updater().load(tmp_path)


DYING_WRITER = """
import os, signal, sys
from pathlib import Path
from grpo.training.checkpoints import write_checkpoint

def half(folder):
    (folder / "weights.bin").write_bytes(b"whole" * 1000)
    (folder / "moments.bin").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

write_checkpoint(Path(sys.argv[1]), 20, half, {})
"""


def test_kill_9_in_the_middle_of_a_checkpoint_leaves_the_previous_one_newest(tmp_path: Path) -> None:
    def whole(folder: Path) -> None:
        (folder / "weights.bin").write_bytes(b"whole")

    write_checkpoint(tmp_path, 10, whole, {"best": 3})
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.run([sys.executable, "-c", DYING_WRITER, str(tmp_path)], env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    newest = newest_whole(tmp_path)
    assert newest is not None and (newest.step, newest.extra) == (10, {"best": 3})
    write_checkpoint(tmp_path, 20, whole, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_000010", "step_000020"]
