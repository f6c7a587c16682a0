"""A round of four updates against a loop that anyone can read: the model's own logits, one sequence at a time, torch's
AdamW, the clipped surrogate written out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from grpo.records import Sample
from grpo.training.update import Updater
from tests.training.cases import make_samples, policy_of, relative

TEMPERATURE, RATE, UPDATES = 0.8, 3e-3, 4
# A large epsilon keeps AdamW's first steps near proportional to the gradient: with a small one they are its sign, which
# turns rounding noise around zero into whole steps.
ADAM_EPSILON = 1e-2


def logprobs(model: torch.nn.Module, sample: Sample) -> Tensor:
    ids = torch.tensor([[*sample.prompt_ids, *sample.completion_ids]])
    logits = model(input_ids=ids, use_cache=False).logits[0, len(sample.prompt_ids) - 1 : -1] / TEMPERATURE
    return logits.log_softmax(-1).gather(1, torch.tensor(sample.completion_ids)[:, None])[:, 0]


def plain_round(model: torch.nn.Module, samples: list[Sample], max_grad_norm: float) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0, eps=ADAM_EPSILON)
    with torch.no_grad():
        old = [logprobs(model, sample) for sample in samples]
    losses = []
    for start in range(0, len(samples), len(samples) // UPDATES):
        part = range(start, start + len(samples) // UPDATES)
        tokens = sum(len(samples[index].completion_ids) for index in part)
        loss = torch.zeros(())
        for index in part:
            ratio = (logprobs(model, samples[index]) - old[index]).exp()
            clipped = ratio.clamp(0.8, 1.28)
            advantage = samples[index].advantage
            loss = loss - torch.minimum(ratio * advantage, clipped * advantage).sum() / tokens
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_four_updates_equal_the_plain_loop(updater: Callable[..., Updater], folder: Path) -> None:
    samples = make_samples(16, zero_every=5)
    trainer = updater(
        updates_per_step=UPDATES,
        temperature=TEMPERATURE,
        learning_rate=RATE,
        adam_epsilon=ADAM_EPSILON,
        epsilon_high=0.28,
        max_grad_norm=0.5,
        mismatch={"mode": "off"},
        tokens_per_microbatch=70,
    )
    model = policy_of(folder).model
    start = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    losses = plain_round(model, samples, max_grad_norm=0.5)
    figures = trainer.round(samples, 20)
    assert figures["loss"] == pytest.approx(sum(losses) / UPDATES, rel=1e-5)
    assert figures["clip_ratio/region_mean"] > 0
    moved = {name: weight.detach() - start[name] for name, weight in trainer._policy.model.named_parameters()}
    expected = {name: weight.detach() - start[name] for name, weight in model.named_parameters()}
    assert relative(moved, expected) < 1e-4


def test_the_first_update_has_a_ratio_of_exactly_one(updater: Callable[..., Updater]) -> None:
    """Old log-probs come from the update's own forward, so bf16's sensitivity to batch shapes cannot enter."""
    samples = make_samples(8)
    figures = updater(dtype="bfloat16", tokens_per_microbatch=50, mismatch={"mode": "off"}).round(samples, 20)
    tokens = sum(len(sample.completion_ids) for sample in samples)
    expected = -sum(sample.advantage * len(sample.completion_ids) for sample in samples) / tokens
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)
