import pytest
import torch
from torch import nn

from grpo.recipe.rl_settings import RLSettings
from grpo.training.masters import Masters
from grpo.training.optimizer import make_optimizer


def bf16_matrix(value: float = 0.05) -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(64, 64, bias=False, dtype=torch.bfloat16)
    with torch.no_grad():
        layer.weight.uniform_(value * 0.8, value * 1.2)
    return layer


def learn(weight: nn.Parameter, compute, after, updates: int = 400, rate: float = 1e-6) -> None:
    """AdamW under a constant gradient moves every weight by `rate` an update."""
    optimizer = torch.optim.AdamW([weight], lr=rate, weight_decay=0.0)
    for _ in range(updates):
        compute()
        optimizer.step()
        optimizer.zero_grad()
        after()


def test_small_steps_arrive_with_masters_and_are_lost_without() -> None:
    """0.05 in bf16 has neighbours 2.4e-4 apart: a step of 1e-6 always rounds back, 400 make 4e-4."""
    layer, plain = bf16_matrix(), bf16_matrix()
    before = layer.weight.detach().float()
    masters = Masters(layer)
    learn(masters.weights["weight"], lambda: layer.weight.float().sum().backward(), masters.publish)
    learn(plain.weight, lambda: plain.weight.float().sum().backward(), lambda: None)
    assert (before - masters.weights["weight"]).mean().item() == pytest.approx(4e-4, rel=5e-3)
    assert torch.equal(layer.weight, masters.weights["weight"].bfloat16())
    assert (before - layer.weight.float()).unique().tolist() == [2 * 2.0**-12]  # the nearest of the neighbours
    assert torch.equal(plain.weight.float(), before)


@pytest.mark.parametrize("optim", [None, "adamw_torch_8bit"])
def test_small_steps_arrive_in_the_mean_where_they_are_rounded_at_random(optim: str | None) -> None:
    """400 steps of 1e-6 between neighbours that are 2.4e-4 apart: 1.6 roundings of a weight, each up or down."""
    pytest.importorskip("torchao")
    layer = bf16_matrix()
    before = layer.weight.detach().float()
    masters = Masters(layer, stochastic_rounding=True)
    assert masters.weights["weight"] is layer.weight
    optimizer = make_optimizer(masters.weights, RLSettings(learning_rate=1e-6, stochastic_rounding=True, optim=optim))
    torch.manual_seed(0)
    for _ in range(400):
        layer.weight.float().sum().backward()
        optimizer.step()
        masters.zero_grad()
    moved = before - layer.weight.float()
    # of 4096 weights: a spread of sqrt(400 × 1e-6 × 2.4e-4) each, 5e-6 in their mean
    assert moved.mean().item() == pytest.approx(4e-4, abs=2e-5)
    assert layer.weight.dtype == torch.bfloat16 and len(moved.unique()) > 2


@pytest.mark.parametrize("stochastic_rounding", [False, True])
def test_micro_batches_add_up_in_fp32(stochastic_rounding: bool) -> None:
    layer = bf16_matrix()
    masters = Masters(layer, stochastic_rounding=stochastic_rounding)
    for scale in (1.0, 2.0**-10):  # in bf16 the second would vanish beside the first
        (layer.weight * scale).sum().backward()
    assert (layer.weight.grad is None) != stochastic_rounding
    assert masters.gradients()[0].dtype == torch.float32
    assert masters.gradients()[0].unique().tolist() == [1.0 + 2.0**-10]


def test_tied_weights_have_one_master_and_the_sum_of_both_gradients() -> None:
    layer = bf16_matrix()
    model = nn.ModuleDict({"embedding": layer, "head": nn.Linear(64, 64, bias=False)})
    model["head"].weight = layer.weight
    masters = Masters(model)
    (model["embedding"].weight.sum() + 2 * model["head"].weight.sum()).backward()
    assert list(masters.weights) == ["embedding.weight"]
    assert masters.gradients()[0].unique().tolist() == [3.0]


def test_fp32_weights_are_their_own_masters_and_frozen_ones_have_none() -> None:
    model = nn.ModuleDict({"adapter": nn.Linear(2, 2, bias=False), "base": nn.Linear(2, 2, bias=False)})
    model["base"].requires_grad_(False)
    masters = Masters(model)
    assert masters.weights["adapter.weight"] is model["adapter"].weight
    assert list(masters.weights) == ["adapter.weight"]


@pytest.mark.parametrize("stochastic_rounding", [False, True])
def test_a_weight_that_no_micro_batch_reached_has_a_gradient_of_zeros(stochastic_rounding: bool) -> None:
    masters = Masters(bf16_matrix(), stochastic_rounding=stochastic_rounding)
    assert masters.gradients()[0].abs().sum() == 0
    masters.zero_grad()
    assert masters.weights["weight"].grad is None
