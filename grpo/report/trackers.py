"""TensorBoard, W&B and trackio, through accelerate's trackers.

Trackers are views: after a resume they may show redone steps twice. `metrics.jsonl` is the record.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo.errors import UserError

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

KNOWN = ("tensorboard", "wandb", "trackio")


def check_trackers(names: Sequence[str]) -> None:
    """Raises UserError for a tracker that is unknown or not installed, without importing any."""
    for name in names:
        if name not in KNOWN:
            raise UserError(f"unknown tracker {name!r}", where="trackers", advice=f"known: {', '.join(KNOWN)}")
        if importlib.util.find_spec(name) is None:
            raise UserError(
                f"the tracker {name!r} needs the package `{name}`, which is not installed",
                where="trackers",
                advice=f"pip install 'grpo[{name}]', or take {name!r} out of `trackers`",
            )


def open_trackers(
    names: Sequence[str], *, project: str, folder: Path, settings: Mapping[str, Any]
) -> "list[GeneralTracker]":
    """Started trackers with the settings stored as their hyperparameters. Raises UserError as `check_trackers` does."""
    if not names:
        return []
    check_trackers(names)
    from accelerate import PartialState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    PartialState()  # accelerate's trackers log through its state; a no-op where an Accelerator is there already
    run = "/".join(folder.absolute().parts[-2:])
    arguments: dict[str, dict[str, Any]] = {
        "tensorboard": {"logging_dir": folder / "tensorboard"},
        "wandb": {"name": run, "dir": str(folder)},
        "trackio": {"name": run},
    }
    opened = []
    for name in names:
        tracker = LOGGER_TYPE_TO_CLASS[name](project, **arguments[name])
        tracker.start()
        tracker.store_init_configuration(flat(settings))
        opened.append(tracker)
    return opened


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """Nested settings under dotted names, since trackers take scalars; lists become text, None is left out."""
    result: dict[str, bool | int | float | str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            result |= flat(value, f"{name}.")
        elif isinstance(value, bool | int | float | str):
            result[name] = value
        elif value is not None:
            result[name] = str(value)
    return result
