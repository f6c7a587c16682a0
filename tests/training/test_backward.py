"""Head and loss piece by piece against all at once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from grpo.algorithm.losses import Denominators, LossMetrics, LossSettings
from grpo.errors import GuardError
from grpo.models.policy import Policy
from grpo.training.backward import Fixed, backward, pieces
from grpo.training.shared import SharedPrompts
from grpo.training.update import Updater
from tests.training.cases import make_samples, policy_of, relative

LOSSES = {
    "token": LossSettings(),
    "mean of each completion": LossSettings(loss_type="grpo"),
    "capped": LossSettings(loss_type="cispo"),
    "to the reference": LossSettings(beta=0.1),
    "ratio of the sequence": LossSettings(importance_sampling_level="sequence"),
    "mismatch of the sequence": LossSettings(mismatch_level="sequence", mismatch_cap=1e9),
}
SAMPLES = make_samples(7)
LONGEST = max(len(sample.completion_ids) for sample in SAMPLES)


def gradient_of(
    policy: Policy, chosen: LossSettings, chunk_tokens: int, first: bool
) -> tuple[dict[str, Tensor], LossMetrics]:
    batch = SharedPrompts().build(SAMPLES, range(len(SAMPLES)), "cpu")
    tokens = len(batch.targets)
    old = None if first else torch.linspace(-6, -3, tokens)
    reference = torch.linspace(-3, -6, tokens) if chosen.beta else None
    policy.model.zero_grad()
    given_ = Fixed.of(batch, SAMPLES, old, reference)
    figures = backward(policy.model, given_, Denominators.of(SAMPLES, 20), chosen, 0.9, chunk_tokens=chunk_tokens)
    return {name: weight.grad.clone() for name, weight in policy.model.named_parameters()}, figures


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return policy_of(folder)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("first", [True, False], ids=["first update", "later update"])
@pytest.mark.parametrize("chunk_tokens", [1, 7, LONGEST])
def test_pieces_change_neither_gradient_nor_figures(policy: Policy, loss: str, first: bool, chunk_tokens: int) -> None:
    whole, figures = gradient_of(policy, LOSSES[loss], 10_000, first)
    parts, figures_of_parts = gradient_of(policy, LOSSES[loss], chunk_tokens, first)
    assert relative(parts, whole) < 5e-6
    assert figures.keys() == figures_of_parts.keys()
    for name in figures:
        torch.testing.assert_close(figures_of_parts[name], figures[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("loss", "chunk_tokens", "times"), [("token", 4, 1), ("ratio of the sequence", LONGEST, 1),
                                                            ("ratio of the sequence", 4, 2)])  # fmt: skip
def test_no_logits_are_computed_twice_unless_a_completion_outgrows_a_piece(
    policy: Policy, loss: str, chunk_tokens: int, times: int
) -> None:
    seen: list[int] = []
    head = policy.model.get_output_embeddings()  # type: ignore[operator]
    hook = head.register_forward_hook(lambda _, __, logits: seen.append(logits.shape[0]))
    gradient_of(policy, LOSSES[loss], chunk_tokens, first=True)
    hook.remove()
    tokens = sum(len(sample.completion_ids) for sample in SAMPLES)
    recomputed = sum(seen) - tokens
    assert max(seen) <= chunk_tokens
    assert recomputed == 0 if times == 1 else recomputed > 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 12), st.booleans())
def test_pieces_cover_every_token_once(lengths: list[int], most: int, whole: bool) -> None:
    sample_of = [sample for sample, length in enumerate(lengths) for _ in range(length)]
    tokens = []
    for piece in pieces(lengths, most, whole=whole):
        mine = range(len(sample_of))[piece.tokens]
        tokens += mine
        inside = range(len(lengths))[piece.samples]
        assert {sample_of[token] for token in mine} <= set(inside)
        if whole:
            assert len(mine) == sum(lengths[sample] for sample in inside)
            assert len(mine) <= most or sum(lengths[sample] > 0 for sample in inside) == 1
        else:
            assert len(mine) <= most
    assert tokens == list(range(len(sample_of)))


def test_a_log_prob_above_zero_stops_the_round(
    updater: Callable[..., Updater], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(logits: Tensor, targets: Tensor, _: float) -> tuple[Tensor, Tensor]:
        return logits.gather(-1, targets[:, None])[:, 0].abs() + 1.0, logits.new_zeros(len(logits))

    trainer = updater()
    monkeypatch.setattr("grpo.training.forward.selective_logprobs", broken)
    with pytest.raises(GuardError, match="log-prob above 0"):
        trainer.round(make_samples(8), 20)
