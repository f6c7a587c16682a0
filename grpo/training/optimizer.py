"""AdamW on the fp32 masters, its learning rate as a function of the update, and the clip by global norm."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from grpo.errors import GuardError
from grpo.recipe.fields import Optimizer


def learning_rate(settings: Optimizer, update: int, total_updates: int) -> float:
    """The rate of an update, counted from 0.

    Over `warmup_updates` it rises linearly and reaches its peak with the first update after them; then it stays
    (`constant`), or falls to zero at `total_updates` along a line, or to `lr_floor` of it along a half cosine.
    """
    if update < settings.warmup_updates:
        return settings.learning_rate * (update + 1) / (settings.warmup_updates + 1)
    remaining = max(1, total_updates - settings.warmup_updates)
    progress = min(1.0, (update - settings.warmup_updates) / remaining)
    match settings.lr_scheduler_type:
        case "constant":
            return settings.learning_rate
        case "linear":
            return settings.learning_rate * (1.0 - progress)
        case "cosine":
            fallen = 0.5 * (1.0 + math.cos(math.pi * progress))
            floor = settings.lr_floor or 0.0
            return settings.learning_rate * (floor + (1.0 - floor) * fallen)


def make_optimizer(
    weights: Mapping[str, nn.Parameter], settings: Optimizer, *, eight_bit: bool = False
) -> torch.optim.Optimizer:
    """AdamW with its state allocated at once, so that the memory probe sees all of it and loading copies in place.

    Weight decay holds for matrices; biases and norms are left alone. eight_bit: both moments of larger weights in 8
    bits with a scale for each 256 values (arXiv 2110.02861), by torchao.
    """
    matrices = [weight for weight in weights.values() if weight.dim() >= 2]
    vectors = [weight for weight in weights.values() if weight.dim() < 2]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    words: dict[str, Any] = {
        "lr": settings.learning_rate,
        "betas": (settings.adam_beta1, settings.adam_beta2),
        "eps": settings.adam_epsilon,
    }
    if not eight_bit:
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(groups, **words, fused=True)
        for weight in weights.values():
            optimizer.state[weight] = _state(weight, torch.zeros_like(weight), torch.zeros_like(weight))
        return optimizer
    from torchao.optim import AdamW8bit

    small = AdamW8bit(groups, **words)
    for weight in weights.values():
        moments = (small._new_buffer(weight.detach(), signed) for signed in (True, False))
        small.state[weight] = _state(weight, *moments)
    return small


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def _state(weight: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor) -> dict[str, Tensor]:
    step = torch.zeros((), dtype=torch.float32, device=weight.device)
    return {"step": step, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}


def clip_by_global_norm(weights: Mapping[str, nn.Parameter], max_norm: float | None, update: int) -> float:
    """Scales all gradients so that their joint L2 norm is at most `max_norm`; returns the norm before.

    Raises GuardError where it is not finite, before the weights are touched.
    """
    gradients = [weight.grad for weight in weights.values() if weight.grad is not None]
    total = torch.nn.utils.get_total_norm(gradients)
    norm = total.item()
    if not math.isfinite(norm):
        broken = [
            name for name, weight in weights.items() if weight.grad is not None and not weight.grad.isfinite().all()
        ]
        raise GuardError(
            f"update {update}: the gradient is not finite (norm {norm}; {len(broken)} of {len(weights)} tensors, "
            f"first {broken[0] if broken else 'none by itself'}). The weights are as they were before this update"
        )
    if max_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(list(weights.values()), max_norm, total)
    return norm
