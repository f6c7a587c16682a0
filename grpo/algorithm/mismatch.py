"""Correction for sampler ≠ trainer: the engine's log-probs differ a little from the trainer's for the same weights.

The weight w = π_old(trainer) / π_sampling(engine) multiplies the policy term (not the KL) and carries no gradient:
truncate: min(max(w, floor), cap) (TIS).
mask: w inside [floor, cap], else 0 (IcePop per token, MIS per sequence).
Per sequence, w is the product over the completion's tokens, not a mean.
as_old: no weight. The engine's log-probs stand for the old policy's in the loss's own ratio.
"""

import torch
from torch import Tensor

from grpo.algorithm.batch import LossMetrics, TokenBatch, tally
from grpo.algorithm.ratios import is_huge, safe_exp
from grpo.algorithm.settings import LossSettings

BANDS = (0.5, 0.9, 1.1, 2.0)
"""Edges of the bands in which the ratio's distribution is reported, before any clipping."""


def mismatch_weights(batch: TokenBatch, settings: LossSettings) -> tuple[Tensor | None, LossMetrics]:
    """Weights [T] (None where the correction is off) and the figures of the mismatch, which are there in every mode.

    A sampling log-prob that is not finite is no measurement: its token gets no correction (it adds log 1 = 0 to its
    sequence too), is left out of the figures, and is counted in `sampling/nonfinite`.

    Figures, over counted tokens (the ratio's over counted samples at level `sequence`), of old against sampling, and
    with `as_old` of the policy as it is against sampling:
    `sampling/logp_difference` mean |old - sampling|; `sampling/mismatch_kl` k3 estimate of KL(sampling ‖ old);
    `sampling/importance_ratio` mean of w before clipping, `…/square` of w² (effective sample size: mean² / square),
    `…/below_0.5`, `…/0.5_to_0.9`, … the share in each band; `sampling/clipped` the share outside [floor, cap].
    """
    corrects = settings.mismatch_mode in ("truncate", "mask")
    level = settings.mismatch_level if corrects else "token"
    measured_T = torch.isfinite(batch.sampling_logprobs)
    trainers_T = batch.logprobs if settings.mismatch_mode == "as_old" else batch.old_logprobs
    gap_T = torch.where(measured_T, trainers_T.detach() - batch.sampling_logprobs, 0.0)
    ratio = safe_exp(gap_T if level == "token" else batch.sum_per_sample(gap_T))

    counted_T = batch.counted_at("token")
    seen_T = counted_T & measured_T
    metrics = {
        "sampling/nonfinite": tally(~measured_T, counted_T),
        "sampling/logp_difference": tally(gap_T.abs(), seen_T),
        "sampling/mismatch_kl": tally(safe_exp(gap_T) - gap_T - 1.0, seen_T),
        "sampling/huge_gap": tally(is_huge(gap_T), seen_T),
        **_distribution(ratio, seen_T if level == "token" else batch.counted),
    }
    if not corrects:
        return None, metrics
    outside = (ratio < settings.mismatch_floor) | (ratio > settings.mismatch_cap)
    metrics["sampling/clipped"] = tally(outside, seen_T if level == "token" else batch.counted)
    if settings.mismatch_mode == "mask":
        weights = torch.where(outside, 0.0, ratio)
    else:
        weights = ratio.clamp(settings.mismatch_floor, settings.mismatch_cap)
    if level == "token":
        # no measurement, no correction: also where 1 lies outside [floor, cap]
        weights = torch.where(measured_T, weights, 1.0)
    return batch.to_tokens(weights, level), metrics


def _distribution(ratio: Tensor, selected: Tensor) -> LossMetrics:
    name = "sampling/importance_ratio"
    metrics = {
        name: tally(ratio, selected),
        f"{name}/square": tally(ratio.square(), selected),
        f"{name}/below_{BANDS[0]:g}": tally(ratio < BANDS[0], selected),
        f"{name}/above_{BANDS[-1]:g}": tally(ratio >= BANDS[-1], selected),
    }
    for low, high in zip(BANDS[:-1], BANDS[1:], strict=True):
        metrics[f"{name}/{low:g}_to_{high:g}"] = tally((ratio >= low) & (ratio < high), selected)
    return metrics
