"""Logits to the log-probability of the token that was sampled."""

import torch
from torch import Tensor


def selective_logprobs(logits_NV: Tensor, targets_N: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Log-probability [N] of each target, and entropy [N], both in nats and fp32, of softmax(logits / temperature).

    logits_NV: [N, V] in any floating dtype, already the row that predicts the target. targets_N: [N] long.
    The log-probability carries the gradient; the entropy is a figure to look at and carries none.
    Holds one fp32 copy of [N, V] for the backward pass: callers bound N.
    """
    logits_NV = logits_NV.float()
    if temperature != 1.0:
        logits_NV = logits_NV / temperature
    all_NV = torch.log_softmax(logits_NV, dim=-1)
    logprobs_N = all_NV.gather(-1, targets_N.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        entropy_N = torch.special.entr(all_NV.exp()).sum(-1)  # entr(0) = 0, where 0 · log 0 would be NaN
    return logprobs_N, entropy_N
