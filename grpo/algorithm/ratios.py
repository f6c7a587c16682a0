"""The importance ratio: how much more likely the policy makes a token (or a sequence) than the old policy did.

A healthy log-ratio is a fraction of a nat. One of 20 means stale or broken weights; it is clamped *before* `exp`, where
clamping afterwards would leave inf in the graph, and 0 · inf = NaN in the backward pass. A clamped entry has no
gradient, and is counted (`huge_gap`).
"""

import torch
from torch import Tensor

from grpo.algorithm.batch import Level, TokenBatch

MAX_LOG_RATIO = 20.0
"""Nats. e^20 = 4.9e8, whose square is still finite in fp32."""


def safe_exp(log_ratio: Tensor) -> Tensor:
    """exp with its argument clamped to ±20: finite, and with a finite gradient, for every input but NaN."""
    return torch.exp(log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO))


def importance_ratio(batch: TokenBatch, level: Level) -> Tensor:
    """π(token) / π_old(token), [T]; or per sequence its geometric mean exp(mean_t log-ratio), [S] (GSPO, arXiv
    2507.18071 eq. 7). Where old_logprobs is logprobs.detach(), the value is exactly 1 and the gradient that of the
    log-probs (of their mean over the sequence).
    """
    log_ratio_T = batch.logprobs - batch.old_logprobs
    if level == "token":
        return safe_exp(log_ratio_T)
    return safe_exp(batch.sum_per_sample(log_ratio_T) / batch.lengths.clamp(min=1))


def is_huge(gap: Tensor) -> Tensor:
    """True beyond ±20 nats."""
    return gap.detach().abs() > MAX_LOG_RATIO
