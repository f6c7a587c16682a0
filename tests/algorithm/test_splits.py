"""Splitting an update into micro-batches, or reordering it, changes neither loss, gradient nor figures."""

from dataclasses import replace
from typing import Any

import torch
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from torch import Tensor

from grpo.algorithm.losses import Denominators, LossSettings, TokenBatch, add_metrics, policy_loss


def _random_batch(seed: int, lengths: list[int]) -> TokenBatch:
    generator = torch.Generator().manual_seed(seed)
    tokens = sum(lengths)
    logprobs = -2 * torch.rand(tokens, generator=generator, dtype=torch.float64)

    def near(spread: float) -> Tensor:
        return logprobs + spread * torch.randn(tokens, generator=generator, dtype=torch.float64)

    return TokenBatch(
        logprobs=logprobs.clone().requires_grad_(),
        old_logprobs=near(0.3),
        sampling_logprobs=near(0.4),
        ref_logprobs=near(0.5),
        advantages=torch.randn(len(lengths), generator=generator, dtype=torch.float64),
        sample_of=torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)),
        lengths=torch.tensor(lengths),
        counted=torch.rand(len(lengths), generator=generator) < 0.8,
    )


def _select(batch: TokenBatch, tokens: Tensor, samples: Tensor) -> TokenBatch:
    """These tokens, of these samples (renumbered), in this order."""
    place = torch.full((len(batch.lengths),), -1)
    place[samples] = torch.arange(len(samples))
    return TokenBatch(
        logprobs=batch.logprobs[tokens],
        old_logprobs=batch.old_logprobs[tokens],
        sampling_logprobs=batch.sampling_logprobs[tokens],
        ref_logprobs=batch.ref_logprobs[tokens],
        advantages=batch.advantages[samples],
        sample_of=place[batch.sample_of[tokens]],
        lengths=batch.lengths[samples],
        counted=batch.counted[samples],
    )


def _counts(batch: TokenBatch) -> Denominators:
    return Denominators(int(batch.counted.sum()), int(batch.lengths[batch.counted].sum()), 16)


levels = st.sampled_from(["token", "sequence"])
loss_settings = st.builds(
    LossSettings,
    loss_type=st.sampled_from(["grpo", "dr_grpo", "dapo", "cispo", "reinforce"]),
    importance_sampling_level=levels,
    delta=st.sampled_from([None, 1.5]),
    beta=st.sampled_from([0.0, 0.1]),
    kl_estimator=st.sampled_from(["k3", "k3_unbiased"]),
    mismatch_mode=st.sampled_from(["truncate", "mask", "off"]),
    mismatch_level=levels,
)
all_lengths = st.lists(st.integers(1, 6), min_size=1, max_size=7)


def _assert_same_update(whole: TokenBatch, parts: list[TokenBatch], settings: LossSettings) -> None:
    counts = _counts(whole)
    loss, metrics = policy_loss(whole, counts, settings)
    results = [policy_loss(part, counts, settings) for part in parts]
    total: dict[str, Tensor] = {}
    for _, part_metrics in results:
        total = add_metrics(total, part_metrics)
    torch.testing.assert_close(sum(part for part, _ in results), loss, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        sum(torch.autograd.grad(part, whole.logprobs, retain_graph=True)[0] for part, _ in results),
        torch.autograd.grad(loss, whole.logprobs)[0],
        rtol=1e-9,
        atol=1e-12,
    )
    assert total.keys() == metrics.keys()
    for name, value in metrics.items():
        torch.testing.assert_close(total[name], value, rtol=1e-5, atol=1e-5, msg=name)


@budget(deadline=None)
@given(st.integers(0, 10**6), all_lengths, loss_settings, st.data())
def test_any_split_of_samples_is_the_same_update(seed: int, lengths: list[int], settings: Any, data: Any) -> None:
    whole = _random_batch(seed, lengths)
    part_of = torch.tensor(data.draw(st.lists(st.integers(0, 2), min_size=len(lengths), max_size=len(lengths))))
    parts = []
    for part in range(3):  # a part may be empty
        samples = torch.nonzero(part_of == part).flatten()
        tokens = torch.nonzero(part_of[whole.sample_of] == part).flatten()
        parts.append(_select(whole, tokens, samples))
    _assert_same_update(whole, parts, settings)


@budget(deadline=None)
@given(st.integers(0, 10**6), all_lengths, loss_settings, st.data())
def test_token_losses_may_even_be_split_within_a_sample(
    seed: int, lengths: list[int], settings: Any, data: Any
) -> None:
    settings = replace(settings, importance_sampling_level="token", mismatch_level="token")
    whole = _random_batch(seed, lengths)
    count = sum(lengths)
    part_of = torch.tensor(data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    everyone = torch.arange(len(lengths))
    parts = [_select(whole, torch.nonzero(part_of == part).flatten(), everyone) for part in range(3)]
    _assert_same_update(whole, parts, settings)


@budget(deadline=None)
@given(st.integers(0, 10**6), all_lengths, loss_settings, st.data())
def test_order_does_not_matter(seed: int, lengths: list[int], settings: Any, data: Any) -> None:
    whole = _random_batch(seed, lengths)
    samples = torch.tensor(data.draw(st.permutations(range(len(lengths)))))
    tokens = torch.tensor(data.draw(st.permutations(range(sum(lengths)))))
    _assert_same_update(whole, [_select(whole, tokens, samples)], settings)
