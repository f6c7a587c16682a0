"""AdamW, its learning rate as a function of the update, and the clip by global norm."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from grpo.errors import GuardError
from grpo.recipe.fields import Optimizer
from grpo.recipe.rl_settings import RLSettings
from grpo.training.torchao_adamw import needs_torchao, torchao_adamw


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


def make_optimizer(weights: Mapping[str, nn.Parameter], settings: RLSettings) -> torch.optim.Optimizer:
    """AdamW with its state allocated at once, so that the memory probe sees all of it and loading copies in place.

    Weight decay holds for matrices; biases and norms are left alone.
    """
    matrices = [weight for weight in weights.values() if weight.dim() >= 2]
    vectors = [weight for weight in weights.values() if weight.dim() < 2]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    if needs_torchao(settings):
        return torchao_adamw(groups, settings)
    optimizer = torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        fused=True,
    )
    for weight in weights.values():
        optimizer.state[weight] = {
            "step": torch.zeros((), dtype=torch.float32, device=weight.device),
            "exp_avg": torch.zeros_like(weight),
            "exp_avg_sq": torch.zeros_like(weight),
        }
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """torchao keeps it in a tensor, as what it compiles would be compiled again for every other number."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


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
