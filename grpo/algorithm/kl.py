"""KL to the reference, estimated on the sampled tokens."""

from typing import Literal

import torch
from torch import Tensor

from grpo.algorithm.ratios import MAX_LOG_RATIO

MIN_LOG_RATIO = -1e4
"""Nats. Only keeps an infinite gap finite: below 0 the estimator is almost linear and needs no clamp to be safe."""


def kl_to_reference(
    logprobs_T: Tensor, ref_logprobs_T: Tensor, ratio_T: Tensor, estimator: Literal["k3", "k3_unbiased"]
) -> Tensor:
    """[T] estimates of KL(policy ‖ reference) per token, with gradient, never negative.

    k3: e^d - d - 1 with d = ref - policy (Schulman 2020; DeepSeekMath eq. 4, the R1 papers). Its value is unbiased on
        policy, its gradient is not that of the reverse KL.
    k3_unbiased: k3 times the importance ratio, with the ratio's gradient (DeepSeek-V3.2, arXiv 2512.02556 §3.1): value
        and gradient are unbiased. ratio_T is the loss's own ratio at its level, before any clip.

    Where the reference likes a token by more than 20 nats, d is clamped and the token has no gradient. The other side
    is left alone: there the gradient is 1, and pulls a policy back that the reference would never follow.
    """
    gap_T = (ref_logprobs_T - logprobs_T).clamp(MIN_LOG_RATIO, MAX_LOG_RATIO)
    kl_T = torch.exp(gap_T) - gap_T - 1.0
    return kl_T * ratio_T if estimator == "k3_unbiased" else kl_T
