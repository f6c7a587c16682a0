"""Attention that no fused kernel computes: soft caps on the scores (Gemma 2) and sinks in the softmax (GPT-OSS).

    s = cap · tanh(q k / cap),    p = exp(s) / (exp(sink) + Σ exp(s)),    o = p v

A sink is a learned score of each head that takes its share and has no value. transformers' SDPA attention leaves out
both without a word. Scores are in fp32, for a block of queries at a time, and computed again in the backward pass.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

SCORE_BYTES = 64 * 2**20
"""Of the scores that exist at once, a block; the backward pass holds a few such."""


@dataclass(frozen=True, slots=True)
class Extras:
    """softcap: None without. sinks: [H], or None."""

    softcap: float | None
    sinks: Tensor | None


def attend(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, scale: float, extras: Extras) -> Tensor:
    """[N, H, Tq, D], [N, H, Tk, D], [N, H, Tk, D'] → [N, H, Tq, D']. seen: bool, broadcastable to [N, H, Tq, Tk]. What
    a query that sees nothing attends to, as padding may, has no meaning and is finite."""
    rows = max(1, SCORE_BYTES // (4 * q.shape[0] * q.shape[1] * k.shape[2]))
    seen = seen.expand(*seen.shape[:-2], q.shape[2], k.shape[2])
    return torch.cat(
        [
            checkpoint(_block, q_B, k, v, seen_B, scale, extras, use_reentrant=False, preserve_rng_state=False)
            for q_B, seen_B in zip(q.split(rows, dim=2), seen.split(rows, dim=-2), strict=True)
        ],
        dim=2,
    )


def _block(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, scale: float, extras: Extras) -> Tensor:
    scores = (q @ k.transpose(-1, -2)).float() * scale
    if extras.softcap is not None:
        scores = extras.softcap * torch.tanh(scores / extras.softcap)
    scores = scores.masked_fill(~seen, torch.finfo(torch.float32).min)
    if extras.sinks is not None:
        sinks = extras.sinks.float()[None, :, None, None].expand(*scores.shape[:-1], 1)
        scores = torch.cat([scores, sinks], dim=-1)
    return scores.softmax(-1)[..., : k.shape[2]].to(v.dtype) @ v
