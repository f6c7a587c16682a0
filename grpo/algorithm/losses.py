"""Log-probs to the policy loss: the surrogate of each token, and what its sum is divided by.

With r the importance ratio, A the advantage, w the mismatch weight, lp the log-prob, L a completion's length:

    loss_type    surrogate of a token                        divided by (global over the update)
    grpo         -min(r A, clip(r, 1-ε, 1+ε_high) A) · w     L, then counted samples
    dr_grpo      the same                                    counted samples · max_completion_length
    dapo, bnpo   the same                                    tokens of counted samples
    cispo        -stopgrad(min(r, ε_high)) A lp · w          tokens of counted samples
    reinforce    -A lp · w                                   tokens of counted samples

and to each is added β · KL(policy ‖ reference), unweighted. Sources: DeepSeekMath arXiv 2402.03300, Dr. GRPO
2503.20783, DAPO 2503.14476, CISPO (MiniMax-M1) 2506.13585.

Which completions count. Counted: every completion with a reward, unless truncated ones are masked and it is one
(`samples.to_samples`); a completion of advantage 0 is counted. The others are in neither the samples nor the tokens.
(TRL keeps masked and unscorable completions in the batch size that `grpo` and `dr_grpo` divide by; we do not, so that
a batch with more of them does not take smaller steps.) bnpo is dapo: its local token counts become one global count.
"""

from typing import assert_never

import torch
from torch import Tensor

from grpo.algorithm.batch import Denominators, LossMetrics, TokenBatch, add_metrics, tally
from grpo.algorithm.kl import kl_to_reference
from grpo.algorithm.mismatch import mismatch_weights
from grpo.algorithm.ratios import importance_ratio, is_huge
from grpo.algorithm.settings import LossSettings, LossType
from grpo.records import Sample

__all__ = [
    "Denominators",
    "LossMetrics",
    "LossSettings",
    "TokenBatch",
    "add_metrics",
    "coefficient_is_zero",
    "policy_loss",
]


def policy_loss(batch: TokenBatch, denominators: Denominators, settings: LossSettings) -> tuple[Tensor, LossMetrics]:
    """This micro-batch's share of the update's loss (a scalar, in fp32), and its figures as [sum, count].

    Shares add up: the sum over any split of an update into micro-batches is the update's loss, and so for gradients.
    Split within a sample only where both ratio and mismatch are per token.

    Figures, over counted tokens (over counted samples where the ratio is per sequence): `kl`,
    `clip_ratio/{low,high,region}_mean` (clipped and therefore without gradient), `huge_gap` (a log-ratio beyond ±20
    nats, clamped), `huge_gap/reference`, and those of `mismatch_weights`. NaN in the policy's own log-probs is not
    hidden: it makes the loss NaN.

    Raises ValueError where beta > 0 comes without ref_logprobs, a sequence-level ratio with a part of a sequence, or
    log-probs in half precision, whose steps are as large as the ratios that matter.
    """
    if batch.logprobs.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"a loss needs log-probs in fp32, these are {batch.logprobs.dtype}")
    level = settings.importance_sampling_level
    ratio = importance_ratio(batch, level)
    ratio_T = batch.to_tokens(ratio, level)
    counted_T = batch.counted_at("token")

    weights_T, metrics = mismatch_weights(batch, settings)
    term_T = _surrogate(batch, ratio_T, settings)
    if weights_T is not None:
        term_T = term_T * weights_T
    if settings.beta > 0:
        if batch.ref_logprobs is None:
            raise ValueError("beta > 0 needs the reference's log-probs")
        kl_T = kl_to_reference(batch.logprobs, batch.ref_logprobs, ratio_T, settings.kl_estimator)
        term_T = term_T + settings.beta * kl_T
        metrics["kl"] = tally(kl_T, counted_T)
        metrics["huge_gap/reference"] = tally(is_huge(batch.ref_logprobs - batch.logprobs), counted_T)

    metrics["huge_gap"] = tally(is_huge(batch.logprobs - batch.old_logprobs), counted_T)
    metrics |= _clip_ratios(ratio, batch.advantages_at(level), batch.counted_at(level), settings)
    share_T = token_shares(batch, denominators, settings.loss_type)
    return torch.where(counted_T, term_T * share_T, 0.0).sum(), metrics


def token_shares(batch: TokenBatch, denominators: Denominators, loss_type: LossType) -> Tensor:
    """[T] what each token's surrogate is multiplied by: one over its denominator. An update in which nothing counts
    has shares that are finite, and a loss of 0."""
    match loss_type:
        case "grpo":
            return 1.0 / (batch.lengths[batch.sample_of].float() * max(denominators.samples, 1))
        case "dr_grpo":
            whole = max(denominators.samples, 1) * denominators.max_completion_length
        case "dapo" | "bnpo" | "cispo" | "reinforce":
            whole = max(denominators.tokens, 1)
        case _:
            assert_never(loss_type)
    return torch.full_like(batch.logprobs.detach(), 1.0 / whole, dtype=torch.float32)


def coefficient_is_zero(sample: Sample, settings: LossSettings) -> bool:
    """True where no token of the sample can have a gradient, so that its forward may be skipped (it stays in the
    denominators if it is counted)."""
    return not sample.counted or not sample.completion_ids or (sample.advantage == 0.0 and settings.beta == 0.0)


def _surrogate(batch: TokenBatch, ratio_T: Tensor, settings: LossSettings) -> Tensor:
    advantages_T = batch.advantages_at("token")
    if settings.loss_type == "reinforce":
        return -advantages_T * batch.logprobs
    if settings.loss_type == "cispo":
        return -ratio_T.detach().clamp(max=settings.upper) * advantages_T * batch.logprobs
    clipped_T = ratio_T.clamp(settings.lower, settings.upper)
    if settings.delta is not None:
        ratio_T = ratio_T.clamp(max=settings.delta)
    return -torch.minimum(ratio_T * advantages_T, clipped_T * advantages_T)


def _clip_ratios(ratio: Tensor, advantages: Tensor, counted: Tensor, settings: LossSettings) -> LossMetrics:
    """Shares of tokens or samples at which the clip takes the gradient away (cispo: at which it caps the ratio)."""
    if settings.loss_type == "reinforce":
        return {}
    high = (ratio > settings.upper) & (advantages > 0)
    if settings.loss_type == "cispo":
        return {"clip_ratio/high_mean": tally(high, counted)}
    low = (ratio < settings.lower) & (advantages < 0)
    return {
        "clip_ratio/low_mean": tally(low, counted),
        "clip_ratio/high_mean": tally(high, counted),
        "clip_ratio/region_mean": tally(low | high, counted),
    }
