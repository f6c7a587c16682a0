"""The state of learning in a folder: fp32 masters and AdamW's moments, bit for bit."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from grpo.errors import UserError

TENSORS, COUNTERS = "training.safetensors", "training.json"
MOMENTS = ("exp_avg", "exp_avg_sq")


def save_state(
    folder: Path, weights: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, updates_done: int
) -> None:
    """Writes the tensors and the count; the same state gives the same bytes."""
    from safetensors.torch import save_file

    tensors = {f"master.{name}": weight.detach().contiguous() for name, weight in weights.items()}
    for name, weight in weights.items():
        for moment in MOMENTS:
            tensors[f"{moment}.{name}"] = optimizer.state[weight][moment].contiguous()
    save_file(tensors, folder / TENSORS)
    (folder / COUNTERS).write_text(json.dumps({"updates_done": updates_done}))


@torch.no_grad()
def load_state(folder: Path, weights: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> int:
    """Copies the saved state into `weights` and `optimizer`; returns the updates done.

    Raises UserError where the checkpoint is of other weights (another model, LoRA switched on or off, another rank).
    """
    from safetensors import safe_open

    with safe_open(folder / TENSORS, framework="pt") as file:
        saved = {name.removeprefix("master.") for name in file.keys() if name.startswith("master.")}  # noqa: SIM118
        if saved != weights.keys():
            different = sorted(saved ^ weights.keys())
            raise _of_another_model(folder, f"{len(different)} weights differ by name, the first is {different[0]}")
        for name, weight in weights.items():
            shape = file.get_slice(f"master.{name}").get_shape()
            if list(weight.shape) != shape:
                raise _of_another_model(folder, f"{name} is {shape} there and {list(weight.shape)} here")
            weight.copy_(file.get_tensor(f"master.{name}"))
            for moment in MOMENTS:
                optimizer.state[weight][moment].copy_(file.get_tensor(f"{moment}.{name}"))
    updates_done = int(json.loads((folder / COUNTERS).read_text())["updates_done"])
    for weight in weights.values():
        optimizer.state[weight]["step"].fill_(updates_done)
    return updates_done


def _of_another_model(folder: Path, reason: str) -> UserError:
    return UserError(
        f"the checkpoint in {folder} does not fit the policy: {reason}",
        where="run_dir",
        advice="the recipe's model or LoRA settings changed since it was written: use another run_dir",
    )
