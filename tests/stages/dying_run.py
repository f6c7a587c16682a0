"""`dying_run.py MOMENT COUNT RECIPE [key=value …]` runs `grpo-train` and kills its own process at a named moment.

The moment's function is wrapped; at its COUNT-th call the process dies in it (before, in the middle, or after the real
work, as each moment says). MOMENT `none` runs undisturbed.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wrap(place: str, count: int, dying: Callable) -> None:
    """Replace `module:Class.function` (or `module:function`) so that its COUNT-th call runs `dying(original, …)`."""
    module_name, path = place.split(":")
    owner = import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = getattr(owner, name)
    calls = 0

    def replacement(*args, **kwargs):
        nonlocal calls
        calls += 1
        return dying(original, *args, **kwargs) if calls == count else original(*args, **kwargs)

    setattr(owner, name, replacement)


def before(original: Callable, *args, **kwargs) -> None:
    die()


def after(original: Callable, *args, **kwargs) -> None:
    original(*args, **kwargs)
    die()


def half_of_the_tensors(original: Callable, *args, **kwargs) -> Iterator:
    """A weight sync that dies between two tensors."""
    tensors = list(original(*args, **kwargs))
    yield from tensors[: len(tensors) // 2]
    die()


def half_of_the_file(original: Callable, updater, folder: Path) -> None:
    """A checkpoint whose largest file is cut short."""
    original(updater, folder)
    largest = max(folder.rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    with largest.open("r+b") as handle:
        handle.truncate(largest.stat().st_size // 2)
    die()


MOMENTS: dict[str, tuple[str, Callable]] = {
    "sft_update": ("transformers:Trainer.training_step", before),
    "sft_checkpoint": ("grpo.stages.sft:seal", before),
    "sft_final": ("grpo.stages.sft:save_final", after),
    "sampling": ("grpo.scoring.scorer:Scorer.submit", before),
    "update": ("torch.optim:AdamW.step", after),
    "sync": ("grpo.models.policy:Policy.named_weights", half_of_the_tensors),
    "record": ("grpo.report.record:Record.rollouts", before),
    "evaluation": ("grpo.report.record:Record.evaluation", before),
    "checkpoint": ("grpo.training.update:Updater.save", half_of_the_file),
    "after_checkpoint": ("grpo.stages.rl_rooms:prune", before),
    "final": ("grpo.models.policy:Policy.save", after),
}


def main() -> int:
    moment, count, *arguments = sys.argv[1:]
    if moment != "none":
        wrap(MOMENTS[moment][0], int(count), MOMENTS[moment][1])
    from grpo.cli.train import main as train

    return train(arguments)


if __name__ == "__main__":
    sys.exit(main())
