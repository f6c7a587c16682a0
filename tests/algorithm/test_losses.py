"""One small update, worked by hand.

Sample 0: advantage 1, two tokens with ratios 1.5 and 1, log-probs -1 and -2. Sample 1: advantage -2, one token with
ratio 0.5 and log-prob -0.5. epsilon 0.2. The surrogates of grpo, dr_grpo and dapo:
    -min(1.5 · 1, 1.2 · 1) = -1.2 (clipped: no gradient),  -1,  -min(0.5 · -2, 0.8 · -2) = 1.6 (clipped).
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from grpo.algorithm.losses import (
    Denominators,
    LossSettings,
    TokenBatch,
    coefficient_is_zero,
    policy_loss,
)
from grpo.algorithm.settings import CISPO_CAP
from grpo.recipe.rl_settings import RLSettings
from grpo.records import Sample

LOGPROBS = [[-1.0, -2.0], [-0.5]]
OLD = [[-1.0 - math.log(1.5), -2.0], [-0.5 - math.log(0.5)]]
ADVANTAGES = [1.0, -2.0]
COUNTS = Denominators(samples=2, tokens=3, max_completion_length=10)


def _mean(metrics: dict[str, Tensor], name: str) -> float:
    total, count = metrics[name].tolist()
    return total / count


@pytest.mark.parametrize(
    ("options", "loss", "gradient"),
    [
        # ((-1.2 - 1) / 2 + 1.6) / 2
        ({"loss_type": "grpo"}, 0.25, [0.0, -1 / 4, 0.0]),
        # (-1.2 - 1 + 1.6) / (2 · 10)
        ({"loss_type": "dr_grpo"}, -0.03, [0.0, -1 / 20, 0.0]),
        # (-1.2 - 1 + 1.6) / 3
        ({"loss_type": "dapo"}, -0.2, [0.0, -1 / 3, 0.0]),
        ({"loss_type": "bnpo"}, -0.2, [0.0, -1 / 3, 0.0]),
        # clip higher: the first ratio is inside 1 + 0.6, and its gradient is -1.5
        ({"loss_type": "dapo", "epsilon_high": 0.6}, -0.3, [-1.5 / 3, -1 / 3, 0.0]),
        # clip lower: the last ratio is inside 1 - 0.6; its term is -(0.5 · -2) = 1
        ({"loss_type": "dapo", "epsilon": 0.6, "epsilon_high": 0.2}, -1.2 / 3, [0.0, -1 / 3, 1 / 3]),
        # -(1.4 · 1 · -1) - (1 · 1 · -2) - (0.5 · -2 · -0.5) = 1.4 + 2 - 0.5
        ({"loss_type": "cispo", "epsilon_high": 1.4}, 2.9 / 3, [-1.4 / 3, -1 / 3, 1 / 3]),
        # -(1 · -1) - (1 · -2) - (-2 · -0.5)
        ({"loss_type": "reinforce"}, 2 / 3, [-1 / 3, -1 / 3, 2 / 3]),
    ],
)
def test_by_hand(batch_of: Callable, options: dict[str, Any], loss: float, gradient: list[float]) -> None:
    batch, leaf = batch_of(LOGPROBS, OLD, ADVANTAGES)
    value, _ = policy_loss(batch, COUNTS, LossSettings(mismatch_mode="off", **options))
    value.backward()
    assert value.item() == pytest.approx(loss, rel=1e-6)
    assert leaf.grad.tolist() == pytest.approx(gradient, rel=1e-6)


def test_sequence_ratio_by_hand(batch_of: Callable) -> None:
    # sample 0: exp((ln 1.5 + ln 1) / 2) = sqrt(1.5) for both tokens, inside 1.3; each token's log-prob moves both
    # tokens' ratio by half: gradient -sqrt(1.5) · (1/2 + 1/2) / 3. Sample 1 as before.
    batch, leaf = batch_of(LOGPROBS, OLD, ADVANTAGES)
    settings = LossSettings(importance_sampling_level="sequence", epsilon_high=0.3, mismatch_mode="off")
    value, metrics = policy_loss(batch, COUNTS, settings)
    value.backward()
    root = math.sqrt(1.5)
    assert value.item() == pytest.approx((-2 * root + 1.6) / 3)
    assert leaf.grad.tolist() == pytest.approx([-root / 3, -root / 3, 0.0])
    assert metrics["clip_ratio/low_mean"].tolist() == [1.0, 2.0]  # one of two samples
    assert metrics["clip_ratio/high_mean"].tolist() == [0.0, 2.0]


def test_delta_bounds_what_the_clip_leaves_open(batch_of: Callable) -> None:
    # advantage -1, ratio 5: min keeps -5 without delta (gradient 5), -3 with it (gradient 0)
    batch, leaf = batch_of([[-1.0]], [[-1.0 - math.log(5.0)]], [-1.0])
    counts = Denominators(1, 1, 10)
    free, _ = policy_loss(batch, counts, LossSettings(mismatch_mode="off"))
    bounded, _ = policy_loss(batch, counts, LossSettings(mismatch_mode="off", delta=3.0))
    assert (free.item(), bounded.item()) == (pytest.approx(5.0), pytest.approx(3.0))
    assert torch.autograd.grad(free, leaf)[0].item() == pytest.approx(5.0)
    assert torch.autograd.grad(bounded, leaf)[0].item() == 0.0


def test_kl_by_hand(batch_of: Callable) -> None:
    # reference - policy = ln 2: k3 = 2 - ln 2 - 1, gradient 1 - 2 = -1. Ratio 1.5 for the unbiased form:
    # value 1.5 · k3, gradient 1.5 · (k3 + 1 - 2)
    batch, leaf = batch_of([[-1.0]], [[-1.0 - math.log(1.5)]], [0.0], reference=[[-1.0 + math.log(2.0)]])
    counts, k3 = Denominators(1, 1, 10), 1.0 - math.log(2.0)
    plain, metrics = policy_loss(batch, counts, LossSettings(beta=0.5, mismatch_mode="off"))
    unbiased, _ = policy_loss(batch, counts, LossSettings(beta=0.5, kl_estimator="k3_unbiased", mismatch_mode="off"))
    assert plain.item() == pytest.approx(0.5 * k3)
    assert torch.autograd.grad(plain, leaf)[0].item() == pytest.approx(-0.5)
    assert unbiased.item() == pytest.approx(0.75 * k3)
    assert torch.autograd.grad(unbiased, leaf)[0].item() == pytest.approx(0.75 * (k3 - 1.0))
    assert _mean(metrics, "kl") == pytest.approx(k3)


def test_uncounted_sample_is_nowhere(batch_of: Callable) -> None:
    """Not in the loss, the gradient, or any figure, whatever its numbers are."""
    poison = [-7.0, -8.0]
    batch, leaf = batch_of(
        [*LOGPROBS, poison],
        [*OLD, [80.0, -99.0]],
        [*ADVANTAGES, 1e9],
        sampling=[*OLD, [math.nan, 70.0]],
        reference=[*OLD, [60.0, -60.0]],
        counted=[True, True, False],
    )
    alone, alone_leaf = batch_of(LOGPROBS, OLD, ADVANTAGES, reference=OLD)
    settings = LossSettings(beta=0.1)
    value, metrics = policy_loss(batch, COUNTS, settings)
    expected, expected_metrics = policy_loss(alone, COUNTS, settings)
    value.backward()
    expected.backward()
    assert value.item() == expected.item()
    assert leaf.grad.tolist() == [*alone_leaf.grad.tolist(), 0.0, 0.0]
    assert {k: v.tolist() for k, v in metrics.items()} == {k: v.tolist() for k, v in expected_metrics.items()}


@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo", "cispo", "reinforce"])
def test_first_update_has_the_exact_policy_gradient(batch_of: Callable, loss_type: Any) -> None:
    """With old = logprobs.detach() every ratio is 1: the gradient is -advantage / denominator to the last bit."""
    batch, leaf = batch_of(LOGPROBS, LOGPROBS, [0.7, -1.3])
    settings = LossSettings(loss_type=loss_type)
    value, metrics = policy_loss(batch, COUNTS, settings)
    value.backward()
    shares = {"grpo": [1 / 4, 1 / 4, 1 / 2], "dr_grpo": [1 / 20] * 3}.get(loss_type, [1 / 3] * 3)
    advantages = torch.tensor([0.7, 0.7, -1.3])
    assert torch.equal(leaf.grad, -advantages * torch.tensor(shares))
    assert metrics["huge_gap"].tolist() == [0.0, 3.0]


def test_first_update_of_a_sequence_ratio_moves_all_its_tokens_alike(batch_of: Callable) -> None:
    batch, leaf = batch_of(LOGPROBS, LOGPROBS, [0.7, -1.3])
    value, _ = policy_loss(batch, COUNTS, LossSettings(importance_sampling_level="sequence"))
    value.backward()
    assert leaf.grad.tolist() == pytest.approx([-0.7 / 3, -0.7 / 3, 1.3 / 3])


def test_clip_figures_by_hand(batch_of: Callable) -> None:
    batch, _ = batch_of(LOGPROBS, OLD, ADVANTAGES)
    _, metrics = policy_loss(batch, COUNTS, LossSettings(mismatch_mode="off"))
    assert metrics["clip_ratio/high_mean"].tolist() == [1.0, 3.0]
    assert metrics["clip_ratio/low_mean"].tolist() == [1.0, 3.0]
    assert metrics["clip_ratio/region_mean"].tolist() == [2.0, 3.0]


def test_a_ratio_outside_the_clip_that_keeps_its_gradient_is_not_clipped(batch_of: Callable) -> None:
    """High with a negative advantage, low with a positive one: min takes the unclipped side."""
    batch, leaf = batch_of(LOGPROBS, OLD, [-1.0, 2.0])
    value, metrics = policy_loss(batch, COUNTS, LossSettings(mismatch_mode="off"))
    value.backward()
    assert leaf.grad.tolist() == pytest.approx([1.5 / 3, 1 / 3, -1.0 / 3])
    assert metrics["clip_ratio/region_mean"].tolist() == [0.0, 3.0]


def test_nothing_counted_is_a_loss_of_zero(batch_of: Callable) -> None:
    batch, leaf = batch_of([[-1.0]], [[-1.0]], [1.0], counted=[False])
    for loss_type in ("grpo", "dr_grpo", "dapo"):
        value, _ = policy_loss(batch, Denominators(0, 0, 10), LossSettings(loss_type=loss_type))
        assert value.item() == 0.0
        assert torch.autograd.grad(value, leaf)[0].tolist() == [0.0]


def test_an_empty_microbatch(batch_of: Callable) -> None:
    """A rank without work: loss 0, still attached to its (empty) log-probs."""
    empty = torch.zeros(0)
    leaf = empty.clone().requires_grad_()
    long = torch.zeros(0, dtype=torch.long)
    batch = TokenBatch(leaf, empty, empty, None, empty, long, long, torch.zeros(0, dtype=torch.bool))
    for level in ("token", "sequence"):
        value, _ = policy_loss(batch, COUNTS, LossSettings(importance_sampling_level=level, mismatch_level=level))
        value.backward()
        assert value.item() == 0.0


def test_mistakes_are_named(batch_of: Callable) -> None:
    batch, _ = batch_of(LOGPROBS, OLD, ADVANTAGES)
    with pytest.raises(ValueError, match="beta > 0 needs the reference"):
        policy_loss(batch, COUNTS, LossSettings(beta=0.1))
    part = TokenBatch(**{**{f: getattr(batch, f) for f in TokenBatch.__slots__}, "lengths": torch.tensor([3, 1])})
    for options in ({"importance_sampling_level": "sequence"}, {"mismatch_level": "sequence"}):
        with pytest.raises(ValueError, match="all tokens of a sample in one micro-batch"):
            policy_loss(part, COUNTS, LossSettings(**options))
    half = TokenBatch(**{**{f: getattr(batch, f) for f in TokenBatch.__slots__}, "logprobs": batch.logprobs.bfloat16()})
    with pytest.raises(ValueError, match="bfloat16"):
        policy_loss(half, COUNTS, LossSettings())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_type": "cispo", "epsilon_high": 0.28}, "largest importance ratio itself"),
        ({"delta": 1.1}, r"delta \(1.1\) must exceed"),
        ({"mismatch": {"floor": 2.0}}, r"floor \(2.0\) must be below cap"),
        ({"multi_objective_aggregation": "normalize_then_sum", "baseline": "leave_one_out"}, "leave baseline at mean"),
    ],
)
def test_recipes_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RLSettings(**options)


def test_cispo_without_a_cap() -> None:
    assert LossSettings.from_recipe(RLSettings(loss_type="cispo", delta=None)).upper == CISPO_CAP == 5.0


def test_settings_from_a_recipe() -> None:
    recipe = RLSettings(
        loss_type="grpo",
        importance_sampling_level="sequence",
        epsilon=3e-4,
        epsilon_high=4e-4,
        delta=2.0,
        beta=0.001,
        kl_estimator="k3_unbiased",
        mismatch={"mode": "mask", "level": "sequence", "cap": 3.0, "floor": 0.1},
    )
    assert LossSettings.from_recipe(recipe) == LossSettings(
        "grpo", "sequence", 3e-4, 4e-4, 2.0, 0.001, "k3_unbiased", "mask", "sequence", 3.0, 0.1
    )


@pytest.mark.parametrize(
    ("advantage", "counted", "tokens", "beta", "zero"),
    [
        (1.0, True, 2, 0.0, False),
        (0.0, True, 2, 0.0, True),
        (0.0, True, 2, 0.1, False),
        (1.0, False, 2, 0.1, True),
        (1.0, True, 0, 0.1, True),
    ],
)
def test_coefficient_is_zero(advantage: float, counted: bool, tokens: int, beta: float, zero: bool) -> None:
    sample = Sample("p", (1,), (5,) * tokens, (-1.0,) * tokens, advantage, counted)
    assert coefficient_is_zero(sample, LossSettings(beta=beta)) is zero
