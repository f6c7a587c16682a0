"""Weights w = old / sampling, by hand: sample 0 has tokens with w = 4 and 1/4, sample 1 one token with w = 1.5."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from grpo.algorithm.losses import Denominators, LossSettings, policy_loss
from grpo.algorithm.mismatch import mismatch_weights

OLD = [[-2.0, -2.0], [-1.0]]
SAMPLING = [[-2.0 - math.log(4.0), -2.0 + math.log(4.0)], [-1.0 - math.log(1.5)]]
WEIGHTS = [4.0, 0.25, 1.5]


def _settings(mode: Any, level: Any = "token", cap: float = 2.0, floor: float = 0.0) -> LossSettings:
    return LossSettings(mismatch_mode=mode, mismatch_level=level, mismatch_cap=cap, mismatch_floor=floor)


@pytest.mark.parametrize(
    ("mode", "level", "cap", "floor", "weights", "clipped"),
    [
        ("truncate", "token", 2.0, 0.0, [2.0, 0.25, 1.5], [1.0, 3.0]),
        ("truncate", "token", 2.0, 0.5, [2.0, 0.5, 1.5], [2.0, 3.0]),
        ("mask", "token", 2.0, 0.0, [0.0, 0.25, 1.5], [1.0, 3.0]),
        ("mask", "token", 2.0, 0.5, [0.0, 0.0, 1.5], [2.0, 3.0]),
        # sample 0: 4 · 1/4 = 1
        ("truncate", "sequence", 1.2, 0.0, [1.0, 1.0, 1.2], [1.0, 2.0]),
        ("mask", "sequence", 1.2, 0.0, [1.0, 1.0, 0.0], [1.0, 2.0]),
    ],
)
def test_weights(
    batch_of: Callable, mode: Any, level: Any, cap: float, floor: float, weights: list, clipped: list
) -> None:
    batch, _ = batch_of(OLD, OLD, [1.0, 1.0], sampling=SAMPLING)
    values, metrics = mismatch_weights(batch, _settings(mode, level, cap, floor))
    assert values.tolist() == pytest.approx(weights)
    assert metrics["sampling/clipped"].tolist() == clipped


def test_the_weight_compares_the_old_policy_with_the_engine(batch_of: Callable) -> None:
    """Not the policy being trained, which later updates of a round have moved."""
    batch, _ = batch_of([[-0.1, -9.0], [-5.0]], OLD, [1.0, 1.0], sampling=SAMPLING)
    values, _ = mismatch_weights(batch, _settings("truncate", cap=9.0))
    assert values.tolist() == pytest.approx(WEIGHTS)
    assert not values.requires_grad


def test_off_still_reports(batch_of: Callable) -> None:
    batch, _ = batch_of(OLD, OLD, [1.0, 1.0], sampling=SAMPLING)
    values, metrics = mismatch_weights(batch, _settings("off"))
    assert values is None
    assert "sampling/clipped" not in metrics
    assert metrics["sampling/importance_ratio"].tolist() == pytest.approx([sum(WEIGHTS), 3.0])


def test_distribution_before_clipping(batch_of: Callable) -> None:
    batch, _ = batch_of(OLD, OLD, [1.0, 1.0], sampling=SAMPLING)
    _, metrics = mismatch_weights(batch, _settings("mask", cap=1.1, floor=0.9))
    name = "sampling/importance_ratio"
    assert metrics[name].tolist() == pytest.approx([5.75, 3.0])
    assert metrics[f"{name}/square"].tolist() == pytest.approx([16 + 1 / 16 + 2.25, 3.0])
    bands = {
        band: metrics[f"{name}/{band}"][0].item()
        for band in ("below_0.5", "0.5_to_0.9", "0.9_to_1.1", "1.1_to_2", "above_2")
    }
    assert bands == {"below_0.5": 1.0, "0.5_to_0.9": 0.0, "0.9_to_1.1": 0.0, "1.1_to_2": 1.0, "above_2": 1.0}
    assert metrics["sampling/logp_difference"].tolist() == pytest.approx([2 * math.log(4) + math.log(1.5), 3.0])
    k3 = sum(w - math.log(w) - 1 for w in WEIGHTS)
    assert metrics["sampling/mismatch_kl"].tolist() == pytest.approx([k3, 3.0])


def test_weights_scale_the_policy_term_and_not_the_kl(batch_of: Callable) -> None:
    # ratio 1, advantage 3, w truncated to 2; k3 at reference - policy = ln 2
    batch, leaf = batch_of([[-2.0]], [[-2.0]], [3.0], sampling=[[-9.0]], reference=[[-2.0 + math.log(2.0)]])
    settings = LossSettings(beta=0.5, mismatch_cap=2.0)
    value, _ = policy_loss(batch, Denominators(1, 1, 4), settings)
    value.backward()
    assert value.item() == pytest.approx(-6.0 + 0.5 * (1 - math.log(2)))
    assert leaf.grad.item() == pytest.approx(-6.0 - 0.5)


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("mode", "level", "weights"),
    [
        ("truncate", "token", [1.0, 0.25, 1.5]),
        ("mask", "token", [1.0, 0.25, 1.5]),
        # without its first token, sample 0 has w = 1/4
        ("truncate", "sequence", [0.25, 0.25, 1.5]),
        ("mask", "sequence", [0.25, 0.25, 1.5]),
    ],
)
def test_a_missing_measurement_is_counted_and_not_corrected(
    batch_of: Callable, missing: float, mode: Any, level: Any, weights: list
) -> None:
    sampling = [[missing, SAMPLING[0][1]], SAMPLING[1]]
    batch, _ = batch_of(OLD, OLD, [1.0, 1.0], sampling=sampling)
    values, metrics = mismatch_weights(batch, _settings(mode, level))
    assert values.tolist() == pytest.approx(weights)
    assert metrics["sampling/nonfinite"].tolist() == [1.0, 3.0]
    assert metrics["sampling/logp_difference"].tolist() == pytest.approx([math.log(4) + math.log(1.5), 2.0])
    assert all(math.isfinite(x) for figure in metrics.values() for x in figure.tolist())


def test_a_missing_measurement_stays_uncorrected_where_one_lies_outside_the_bounds(batch_of: Callable) -> None:
    batch, _ = batch_of([[-1.0]], [[-1.0]], [1.0], sampling=[[math.nan]])
    values, metrics = mismatch_weights(batch, _settings("mask", cap=0.9, floor=0.5))
    assert values.tolist() == [1.0]
    assert metrics["sampling/clipped"].tolist() == [0.0, 0.0]


def test_huge_gap_is_counted_and_bounded(batch_of: Callable) -> None:
    batch, _ = batch_of([[-1.0]], [[-1.0]], [1.0], sampling=[[-100.0]])
    values, metrics = mismatch_weights(batch, _settings("truncate"))
    assert values.tolist() == [2.0]
    assert metrics["sampling/huge_gap"].tolist() == [1.0, 1.0]
    assert metrics["sampling/logp_difference"].tolist() == [99.0, 1.0]
