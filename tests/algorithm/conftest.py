"""Small builders: a group from scores, a token batch from log-probs a sample."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from grpo.algorithm.losses import TokenBatch
from grpo.records import Completion, Group, Prompt
from rewards.verdict import Verdict, scored


def make_group(*rows: Sequence[Any], name: str = "p", finish: Sequence[str] | None = None) -> Group:
    """Rewards r0, r1, … of each completion: a number, a status, or None for `not_applicable`."""
    verdicts = [{f"r{k}": _verdict(entry) for k, entry in enumerate(row)} for row in rows]
    completions = [
        Completion(name, i, (5, 6, 7)[: i % 3 + 1], (-0.5, -0.25, -1.0)[: i % 3 + 1], "", reason, 0)  # type: ignore[arg-type]
        for i, reason in enumerate(finish or ["stop"] * len(rows))
    ]
    return Group(Prompt(name, "", (1, 2)), tuple(completions), tuple(verdicts))


def _verdict(entry: Any) -> Verdict:
    if isinstance(entry, str):
        return Verdict(entry)  # type: ignore[arg-type]
    return Verdict("not_applicable") if entry is None else scored(entry)


def make_batch(
    logprobs: Sequence[Sequence[float]],
    old: Sequence[Sequence[float]],
    advantages: Sequence[float],
    *,
    sampling: Sequence[Sequence[float]] | None = None,
    reference: Sequence[Sequence[float]] | None = None,
    counted: Sequence[bool] | None = None,
) -> tuple[TokenBatch, Tensor]:
    """The batch, and its log-probs [T] as the leaf that gradients reach."""
    leaf = _flat(logprobs).requires_grad_()
    lengths = torch.tensor([len(row) for row in logprobs])
    batch = TokenBatch(
        logprobs=leaf,
        old_logprobs=_flat(old),
        sampling_logprobs=_flat(old if sampling is None else sampling),
        ref_logprobs=None if reference is None else _flat(reference),
        advantages=torch.tensor(advantages),
        sample_of=torch.arange(len(lengths)).repeat_interleave(lengths),
        lengths=lengths,
        counted=torch.tensor([True] * len(lengths) if counted is None else counted),
    )
    return batch, leaf


def _flat(rows: Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor([value for row in rows for value in row], dtype=torch.float32)


@pytest.fixture
def group() -> Callable[..., Group]:
    return make_group


@pytest.fixture
def batch_of() -> Callable[..., tuple[TokenBatch, Tensor]]:
    return make_batch
