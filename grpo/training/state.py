"""The state of learning in a folder: the weights that learn and AdamW's moments, bit for bit."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from grpo.errors import UserError

TENSORS, COUNTERS = "training.safetensors", "training.json"
MOMENTS = ("exp_avg", "exp_avg_sq")


def save_state(
    folder: Path, weights: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer, updates_done: int
) -> None:
    """Writes the tensors and the count; the same state gives the same bytes."""
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous() for name, tensor in _tensors(weights, optimizer).items()}
    save_file(tensors, folder / TENSORS)
    (folder / COUNTERS).write_text(json.dumps({"updates_done": updates_done}))


@torch.no_grad()
def load_state(folder: Path, weights: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> int:
    """Copies the saved state into `weights` and `optimizer`; returns the updates done.

    Raises UserError where the checkpoint is of other weights (another model, LoRA switched on or off, another rank), or
    its moments or weights are of another precision.
    """
    from safetensors import safe_open

    ours = _tensors(weights, optimizer)
    with safe_open(folder / TENSORS, framework="pt") as file:
        names = set(file.keys())
        saved = {name.removeprefix("master.") for name in names if name.startswith("master.")}
        if saved != weights.keys():
            different = sorted(saved ^ weights.keys())
            raise _of_another_model(folder, f"{len(different)} weights differ by name, the first is {different[0]}")
        for name, weight in weights.items():
            shape = file.get_slice(f"master.{name}").get_shape()
            if list(weight.shape) != shape:
                raise _of_another_model(folder, f"{name} is {shape} there and {list(weight.shape)} here")
        if names != ours.keys():
            raise _of_another_model(folder, f"{min(names ^ ours.keys())} is a tensor of another optimizer")
        for name, tensor in ours.items():
            stored = file.get_tensor(name)
            if stored.dtype != tensor.dtype:
                raise _of_another_model(folder, f"{name} is {stored.dtype} there and {tensor.dtype} here")
            tensor.copy_(stored)
    updates_done = int(json.loads((folder / COUNTERS).read_text())["updates_done"])
    for weight in weights.values():
        optimizer.state[weight]["step"].fill_(updates_done)
    return updates_done


def _tensors(weights: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that is saved, by its name in the file."""
    tensors = {f"master.{name}": weight.detach() for name, weight in weights.items()}
    for name, weight in weights.items():
        for moment in MOMENTS:
            tensors |= _plain(f"{moment}.{name}", optimizer.state[weight][moment])
    return tensors


def _plain(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """A quantised tensor as the plain ones it is made of: its codes, their scales, the table that they look up."""
    if not is_traceable_wrapper_subclass(tensor):
        return {name: tensor}
    parts, _ = tensor.__tensor_flatten__()
    return {f"{name}.{part}": getattr(tensor, part) for part in parts}


def _of_another_model(folder: Path, reason: str) -> UserError:
    return UserError(
        f"the checkpoint in {folder} does not fit the policy: {reason}",
        where="run_dir",
        advice="the recipe's model, LoRA or optimizer settings changed since it was written: use another run_dir",
    )
