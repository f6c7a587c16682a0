import math

import pytest
import torch

from grpo.algorithm.logprobs import selective_logprobs


def test_by_hand() -> None:
    # odds 1 : 2 : 5; at temperature 0.5 they are squared: 1 : 4 : 25
    logits = torch.tensor([[1.0, 2.0, 5.0]]).log().repeat(2, 1)
    targets = torch.tensor([2, 1])
    logprobs, entropy = selective_logprobs(logits, targets)
    assert logprobs.tolist() == pytest.approx([math.log(5 / 8), math.log(2 / 8)])
    assert entropy[0].item() == pytest.approx(-sum(p * math.log(p) for p in (1 / 8, 2 / 8, 5 / 8)))
    cold, _ = selective_logprobs(logits, targets, temperature=0.5)
    assert cold.tolist() == pytest.approx([math.log(25 / 30), math.log(4 / 30)])


def test_gradient_is_onehot_minus_softmax_over_temperature() -> None:
    logits = torch.tensor([[0.5, -1.0, 2.0]], requires_grad=True)
    logprobs, entropy = selective_logprobs(logits, torch.tensor([0]), temperature=0.7)
    logprobs.sum().backward()
    softmax = torch.softmax(logits.detach() / 0.7, -1)
    torch.testing.assert_close(logits.grad, (torch.tensor([[1.0, 0.0, 0.0]]) - softmax) / 0.7)
    assert not entropy.requires_grad


def test_bf16_logits_are_computed_in_fp32() -> None:
    logits = torch.randn(4, 50).bfloat16()
    targets = torch.tensor([3, 1, 4, 1])
    logprobs, entropy = selective_logprobs(logits, targets)
    exact, exact_entropy = selective_logprobs(logits.float(), targets)
    assert logprobs.dtype == entropy.dtype == torch.float32
    assert torch.equal(logprobs, exact) and torch.equal(entropy, exact_entropy)


def test_masked_vocabulary_has_a_finite_entropy() -> None:
    logits = torch.tensor([[0.0, 0.0, -math.inf]])
    logprobs, entropy = selective_logprobs(logits, torch.tensor([0]))
    assert logprobs.item() == pytest.approx(-math.log(2))
    assert entropy.item() == pytest.approx(math.log(2))
