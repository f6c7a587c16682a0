"""Samples to micro-batches: which rank forwards which samples, in what shape, and where each scored token is predicted.

Two layouts make them: `shared` (packed rows, each prompt once) and `padded` (a row a sample). What the forward and the
loss read of a `MicroBatch` is the same: tokens in rows, and for every scored token the flat position that predicts it.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict

import torch
from torch import Tensor

from grpo.models.paths import Paths
from grpo.records import Sample

Unit = list[int]
"""Samples, by their place in the sequence given, that one rank and if possible one micro-batch takes together."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What one forward sees. R rows of L positions, S samples, T scored tokens (in order of samples, then positions).

    samples: place of each sample in the sequence given to `build`.
    token_ids: [R, L] long. row_lengths: [R], real tokens of each row; the rest is padding on the right.
    position_ids: [R, L], or None where every row counts from 0.
    predicted_at: [T] index into the flattened R·L positions whose hidden state predicts the token.
    targets: [T] the token. sample_of: [T] its sample, 0 ≤ sample < S. lengths: [S] scored tokens of each sample.
    sample_lengths: the same, where the host can read them.
    """

    samples: tuple[int, ...]
    token_ids: Tensor
    row_lengths: Tensor
    position_ids: Tensor | None
    paths: Paths | None
    predicted_at: Tensor
    targets: Tensor
    sample_of: Tensor
    lengths: Tensor
    sample_lengths: tuple[int, ...]

    def attention_mask(self) -> Tensor:
        """[R, L] long, 1 at real tokens: for architectures that padding on the right can reach."""
        positions = torch.arange(self.token_ids.shape[1], device=self.token_ids.device)
        return (positions[None] < self.row_lengths[:, None]).long()


class Layout(Protocol):
    """How samples become micro-batches. Every rank plans alike from the same samples."""

    def units(self, samples: Sequence[Sample], chosen: Sequence[int], ranks: int) -> list[Unit]:
        """The chosen samples in units, at least one a rank where there are samples enough."""

    def cost(self, samples: Sequence[Sample], unit: Unit) -> int:
        """Tokens that are forwarded for a unit."""

    def microbatches(self, samples: Sequence[Sample], units: Sequence[Unit], budget: int) -> list[Unit]:
        """Units into micro-batches of at most `budget` tokens; a sample longer than that is one of its own."""

    def build(self, samples: Sequence[Sample], chosen: Sequence[int], device: torch.device | str) -> MicroBatch:
        """One micro-batch. Raises ValueError for a sample without a prompt: nothing predicts its first token."""

    def most(self, prompt: int, completion: int, budget: int, at_most: int) -> int:
        """Samples of one prompt of these lengths that fit a micro-batch, at least one."""


def split_updates(count: int, updates: int) -> list[range]:
    """`count` samples cut into `updates` contiguous parts whose sizes differ by at most one: groups stay together."""
    return [range(count * index // updates, count * (index + 1) // updates) for index in range(updates)]


def balance(costs: Sequence[float], ranks: int) -> list[list[int]]:
    """Items to ranks by LPT: the most expensive first, each to the rank with the least so far. Ties go to the lower
    index and rank, so that all ranks compute the same. A rank may stay empty."""
    shares: list[list[int]] = [[] for _ in range(ranks)]
    loads = [(0.0, rank) for rank in range(ranks)]
    for item in sorted(range(len(costs)), key=lambda item: (-costs[item], item)):
        load, rank = heapq.heappop(loads)
        shares[rank].append(item)
        heapq.heappush(loads, (load + costs[item], rank))
    return shares


def check_prompt(sample: Sample) -> None:
    if not sample.prompt_ids:
        raise ValueError(f"prompt {sample.prompt_id}: no token precedes the completion, nothing predicts its first")


class ScoredTokens(TypedDict):
    """Fields of a MicroBatch that are the same in every layout."""

    targets: Tensor
    sample_of: Tensor
    lengths: Tensor
    sample_lengths: tuple[int, ...]


def scored_tokens(samples: Sequence[Sample], device: torch.device | str) -> ScoredTokens:
    """Of a MicroBatch that holds these samples in this order."""
    sample_lengths = tuple(len(sample.completion_ids) for sample in samples)
    targets = [token for sample in samples for token in sample.completion_ids]
    sample_of = [place for place, length in enumerate(sample_lengths) for _ in range(length)]
    return {
        "targets": torch.tensor(targets, dtype=torch.long, device=device),
        "sample_of": torch.tensor(sample_of, dtype=torch.long, device=device),
        "lengths": torch.tensor(sample_lengths, dtype=torch.long, device=device),
        "sample_lengths": sample_lengths,
    }


def sequence_length(sample: Sample) -> int:
    """Tokens of prompt and completion."""
    return len(sample.prompt_ids) + len(sample.completion_ids)
