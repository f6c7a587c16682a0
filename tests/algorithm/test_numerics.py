"""A trainer/sampler gap of many nats: finite loss, finite gradient, counted. Other trainers reach NaN or inf here:
by masking with a product (0 · inf) or by clamping after `exp`.

One token has log-prob -1 under the policy and -1 - gap under the old policy and the engine; a normal token stands
beside it.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from grpo.algorithm.kl import kl_to_reference
from grpo.algorithm.losses import Denominators, LossSettings, policy_loss
from grpo.algorithm.ratios import MAX_LOG_RATIO

COUNTS = Denominators(samples=2, tokens=2, max_completion_length=1)
LOSSES = ["grpo", "dr_grpo", "dapo", "cispo", "reinforce"]
BOUND = math.exp(MAX_LOG_RATIO)


def _gap_batch(batch_of: Callable, gap: float, advantage: float, reference_gap: float = 0.0) -> Any:
    return batch_of(
        [[-1.0], [-0.7]],
        [[-1.0 - gap], [-0.7]],
        [advantage, 0.5],
        reference=[[-1.0 - reference_gap], [-0.7]],
    )


@pytest.mark.parametrize(
    ("gap", "advantage", "delta", "loss", "gradient"),
    [
        # as PPO has it: nothing bounds a large ratio of a bad token but delta
        (5.0, -1.0, None, math.exp(5), math.exp(5)),
        (5.0, -1.0, 3.0, 3.0, 0.0),
        (5.0, 1.0, None, -1.2, 0.0),
        # beyond 20 nats the ratio is clamped, and has no gradient
        (50.0, -1.0, None, BOUND, 0.0),
        (50.0, -1.0, 3.0, 3.0, 0.0),
        (99.0, -1.0, None, BOUND, 0.0),
        (99.0, -1.0, 3.0, 3.0, 0.0),
        (99.0, 1.0, None, -1.2, 0.0),
        (-99.0, -1.0, None, 0.8, 0.0),
        (-99.0, 1.0, None, 0.0, 0.0),
        (math.inf, -1.0, None, BOUND, 0.0),
        (math.inf, 1.0, None, -1.2, 0.0),
    ],
)
def test_the_table(
    batch_of: Callable, gap: float, advantage: float, delta: float | None, loss: float, gradient: float
) -> None:
    batch, leaf = _gap_batch(batch_of, gap, advantage)
    value, metrics = policy_loss(batch, COUNTS, LossSettings(delta=delta, mismatch_mode="off"))
    value.backward()
    normal = -0.5  # the other token: ratio 1, advantage 0.5
    assert 2 * value.item() == pytest.approx(loss + normal, rel=1e-6, abs=1e-6)
    assert (2 * leaf.grad).tolist() == pytest.approx([gradient, normal], rel=1e-5)
    assert metrics["huge_gap"].tolist() == [float(abs(gap) > 20), 2.0]


@pytest.mark.parametrize("gap", [5.0, 50.0, 99.0, -50.0, -99.0, 1e30, math.inf])
@pytest.mark.parametrize("advantage", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("loss_type", LOSSES)
def test_every_loss_is_finite(batch_of: Callable, loss_type: Any, gap: float, advantage: float) -> None:
    forms = itertools.product(
        ["token", "sequence"],
        ["truncate", "mask", "off"],
        ["token", "sequence"],
        ["k3", "k3_unbiased"],
        [0.0, 99.0, -99.0],
    )
    for level, mode, mismatch_level, estimator, reference_gap in forms:
        settings = LossSettings(
            loss_type=loss_type,
            importance_sampling_level=level,
            beta=0.1,
            kl_estimator=estimator,
            mismatch_mode=mode,
            mismatch_level=mismatch_level,
        )
        batch, leaf = _gap_batch(batch_of, gap, advantage, reference_gap)
        value, metrics = policy_loss(batch, COUNTS, settings)
        value.backward()
        assert torch.isfinite(value), settings
        assert torch.isfinite(leaf.grad).all(), settings
        assert metrics["huge_gap"][0] == (abs(gap) > 20)
        assert metrics["huge_gap/reference"][0] == (reference_gap != 0)
        assert all(torch.isfinite(figure).all() for figure in metrics.values())


def test_gap_in_a_sequence_is_clamped_after_the_mean(batch_of: Callable) -> None:
    """A mean of 49.5 nats: no gradient for the sequence; one of 9.9 is the exact sequence ratio."""
    for tokens, clamped in [(2, True), (10, False)]:
        logprobs = [[-1.0] * tokens]
        old = [[-100.0] + [-1.0] * (tokens - 1)]
        batch, leaf = batch_of(logprobs, old, [-1.0])
        settings = LossSettings(importance_sampling_level="sequence", mismatch_mode="off")
        value, metrics = policy_loss(batch, Denominators(1, tokens, 10), settings)
        value.backward()
        ratio = BOUND if clamped else math.exp(9.9)
        assert value.item() == pytest.approx(ratio, rel=1e-5)
        assert leaf.grad.tolist() == pytest.approx([0.0 if clamped else ratio / tokens] * tokens, rel=1e-5)
        assert metrics["huge_gap"].tolist() == [1.0, float(tokens)]


def test_kl_pulls_back_a_policy_that_left_the_reference() -> None:
    """25 nats more likely than under the reference: no clamp on that side, gradient 1 - e^-25."""
    logprobs = torch.tensor([-0.1, -0.1, -30.0], requires_grad=True)
    reference = torch.tensor([-25.1, -math.inf, -1.0])
    kl = kl_to_reference(logprobs, reference, torch.ones(3), "k3")
    kl.sum().backward()
    assert kl[0].item() == pytest.approx(24.0)
    assert torch.isfinite(kl).all()
    assert logprobs.grad.tolist() == pytest.approx([1.0, 0.0, 0.0])


def test_nan_in_the_policy_is_not_hidden(batch_of: Callable) -> None:
    """Broken weights must reach the guard that stops the run."""
    batch, _ = batch_of([[math.nan], [-1.0]], [[-1.0], [-1.0]], [1.0, 1.0])
    value, _ = policy_loss(batch, COUNTS, LossSettings())
    assert torch.isnan(value)
