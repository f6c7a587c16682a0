import pytest
import torch
from torch import nn

from grpo.errors import GuardError
from grpo.recipe.fields import Optimizer
from grpo.recipe.rl_settings import RLSettings
from grpo.training.optimizer import clip_by_global_norm, learning_rate, make_optimizer, set_learning_rate


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("constant", [1 / 3, 2 / 3, 1, 1, 1, 1]),
        ("linear", [1 / 3, 2 / 3, 1, 3 / 4, 1 / 2, 1 / 4]),
        ("cosine", [1 / 3, 2 / 3, 1, 0.5 + 0.5**1.5, 1 / 2, 0.5 - 0.5**1.5]),
    ],
)
def test_the_rate_is_a_function_of_the_update(kind: str, expected: list[float]) -> None:
    """Six updates, two of them warm-up: the first learns already, the last still does."""
    settings = Optimizer.model_validate({"learning_rate": 1.0, "lr_scheduler_type": kind, "warmup_updates": 2})
    assert [learning_rate(settings, update, 6) for update in range(6)] == pytest.approx(expected)


def test_a_cosine_ends_at_its_floor() -> None:
    """R1's SFT falls from 5e-5 to 5e-6."""
    settings = Optimizer(learning_rate=5e-5, lr_scheduler_type="cosine", lr_floor=0.1)
    assert [learning_rate(settings, at, 100) for at in (0, 50, 100)] == pytest.approx([5e-5, 2.75e-5, 5e-6])
    with pytest.raises(ValueError, match="lr_floor: only `cosine` ends at one"):
        Optimizer(lr_scheduler_type="linear", lr_floor=0.1)


def test_past_the_end_the_rate_stays_where_it_ended() -> None:
    assert learning_rate(Optimizer(lr_scheduler_type="linear"), 9, 6) == 0.0
    assert learning_rate(Optimizer(warmup_updates=9), 9, 6) == 1e-6


def test_the_clip_scales_all_gradients_by_their_joint_norm() -> None:
    weights = {"a": nn.Parameter(torch.zeros(1)), "b": nn.Parameter(torch.zeros(1))}
    weights["a"].grad, weights["b"].grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert clip_by_global_norm(weights, None, 0) == 5.0
    assert clip_by_global_norm(weights, 10.0, 0) == 5.0
    assert (weights["a"].grad.item(), weights["b"].grad.item()) == (3.0, 4.0)
    assert clip_by_global_norm(weights, 1.0, 0) == 5.0
    assert (weights["a"].grad.item(), weights["b"].grad.item()) == pytest.approx((0.6, 0.8), rel=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_named(value: float) -> None:
    weights = {"fine": nn.Parameter(torch.zeros(1)), "broken": nn.Parameter(torch.zeros(1))}
    weights["fine"].grad, weights["broken"].grad = torch.tensor([3.0]), torch.tensor([value])
    with pytest.raises(GuardError, match="update 4.*broken"):
        clip_by_global_norm(weights, None, 4)


def test_weight_decay_leaves_biases_and_norms_alone() -> None:
    weights = {"matrix": nn.Parameter(torch.ones(2, 2)), "norm": nn.Parameter(torch.ones(2))}
    optimizer = make_optimizer(weights, RLSettings(learning_rate=0.1, weight_decay=0.5))
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert weights["matrix"].flatten().tolist() == pytest.approx([0.95] * 4)
    assert weights["norm"].tolist() == [1.0, 1.0]


def test_it_is_torchs_adamw_on_its_default_state() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(4, 4), torch.randn(5, 4, 4)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    plain = torch.optim.AdamW([theirs], lr=1e-2, weight_decay=0.0, fused=True)
    optimizer = make_optimizer({"w": ours}, RLSettings(learning_rate=1e-2))
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        plain.step()
    assert torch.equal(ours, theirs)


def bytes_of(tensor: torch.Tensor) -> int:
    parts = tensor.__tensor_flatten__()[0] if hasattr(tensor, "__tensor_flatten__") else []
    return sum(getattr(tensor, part).nbytes for part in parts) or tensor.nbytes


def test_8_bit_states_take_a_byte_a_value_and_the_first_step_is_adamws() -> None:
    """The first update is the sign of the gradient times the rate, whatever becomes of the moments afterwards."""
    pytest.importorskip("torchao")
    torch.manual_seed(0)
    start, gradients = torch.randn(64, 64), torch.randn(20, 64, 64)
    weights = {"matrix": nn.Parameter(start.clone()), "norm": nn.Parameter(torch.ones(64))}
    optimizer = make_optimizer(weights, RLSettings(optim="adamw_torch_8bit", learning_rate=1.0))
    set_learning_rate(optimizer, 1e-2)
    moments = optimizer.state[weights["matrix"]]
    table = 256 * 4
    assert bytes_of(moments["exp_avg"]) == bytes_of(moments["exp_avg_sq"]) == 4096 + 16 * 4 + table
    assert bytes_of(optimizer.state[weights["norm"]]["exp_avg"]) == 64 * 4  # too small to be quantised
    theirs = nn.Parameter(start.clone())
    plain = torch.optim.AdamW([theirs], lr=1e-2, weight_decay=0.0)
    for number, gradient in enumerate(gradients):
        weights["matrix"].grad, weights["norm"].grad, theirs.grad = gradient.clone(), torch.ones(64), gradient.clone()
        optimizer.step()
        plain.step()
        if number == 0:
            torch.testing.assert_close(weights["matrix"], theirs, rtol=0, atol=1e-6)
    moved, expected = weights["matrix"] - start, theirs - start
    assert 0 < ((moved - expected).norm() / expected.norm()).item() < 0.03
    assert weights["norm"].tolist() == pytest.approx([0.8] * 64, rel=1e-5)
