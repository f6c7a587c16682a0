"""Logits to the log-probability of the token that was sampled."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# fp32 copies exist for one block of rows at a time. On a CPU a block stays in the cache through all passes over it; an
# accelerator wants few launches.
BLOCK_BYTES = {"cpu": 4 * 2**20, "accelerator": 256 * 2**20}


def selective_logprobs(logits_NV: Tensor, targets_N: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Log-probability [N] of each target, and entropy [N], both in nats and fp32, of softmax(logits / temperature).

    logits_NV: [N, V] in any floating dtype, already the row that predicts the target. targets_N: [N] long.
    The log-probability carries the gradient; the entropy is a figure to look at and carries none.
    Holds the logits for the backward pass, which adds as much again: callers bound N.
    """
    return _Selected.apply(logits_NV, targets_N, temperature)


class _Selected(torch.autograd.Function):
    """With z the logits over the temperature: log p = z_y - lse, H = lse - Σ p z, ∂ log p / ∂z = 1_y - p. What autograd
    would do, in fewer passes over [N, V] and without an fp32 copy of it; sums are in fp32."""

    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, targets_N: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        logprobs_N, entropies_N, normalizers_N = (
            torch.empty(len(logits_NV), dtype=torch.float32, device=logits_NV.device) for _ in range(3)
        )
        for rows in _blocks(logits_NV):
            z_BV = _scaled(logits_NV[rows], temperature)
            highest_B = z_BV.amax(-1)
            z_BV -= highest_B[:, None]
            target_B = z_BV.gather(-1, targets_N[rows, None])[:, 0]
            # A logit of -inf has p = 0, and 0 · -inf would be NaN; a NaN stays one.
            z_BV.clamp_(min=torch.finfo(torch.float32).min)
            p_BV = z_BV.exp()
            sum_B = p_BV.sum(-1)
            lse_B = sum_B.log()
            logprobs_N[rows] = target_B - lse_B
            entropies_N[rows] = lse_B - (p_BV * z_BV).sum(-1) / sum_B
            normalizers_N[rows] = highest_B + lse_B
        ctx.save_for_backward(logits_NV, targets_N, normalizers_N)
        ctx.temperature = temperature
        ctx.mark_non_differentiable(entropies_N)
        return logprobs_N, entropies_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_N: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        logits_NV, targets_N, normalizers_N = ctx.saved_tensors
        gradient_N = gradient_N / ctx.temperature
        gradient_NV = torch.empty_like(logits_NV)
        for rows in _blocks(logits_NV):
            z_BV = _scaled(logits_NV[rows], ctx.temperature)
            p_BV = z_BV.sub_(normalizers_N[rows, None]).exp_()
            p_BV *= -gradient_N[rows, None]
            p_BV.scatter_add_(-1, targets_N[rows, None], gradient_N[rows, None])
            gradient_NV[rows] = p_BV
        return gradient_NV, None, None


def _scaled(logits_BV: Tensor, temperature: float) -> Tensor:
    """A copy in fp32, over the temperature."""
    copy_BV = logits_BV.to(torch.float32, copy=True)
    return copy_BV if temperature == 1.0 else copy_BV.div_(temperature)


def _blocks(logits_NV: Tensor) -> Iterator[slice]:
    count, vocabulary = logits_NV.shape
    size = max(1, BLOCK_BYTES.get(logits_NV.device.type, BLOCK_BYTES["accelerator"]) // (4 * vocabulary))
    return (slice(start, start + size) for start in range(0, count, size))
