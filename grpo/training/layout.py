"""Samples to micro-batches: which rank forwards which samples, in what shape, and where each scored token is predicted.

Padded rows for now, sorted by length. What the forward and the loss read of a `MicroBatch` does not say so: tokens in
rows, and for every scored token the flat position that predicts it. Packed rows and shared prompts fit the same form.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from grpo.records import Sample

PADDING_ID = 0


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What one forward sees. R rows of L positions, S samples, T scored tokens (in order of samples, then positions).

    samples: place of each sample in the sequence given to `build`.
    token_ids: [R, L] long. row_lengths: [R], real tokens of each row; the rest is padding on the right.
    position_ids: [R, L], or None where every row counts from 0.
    predicted_at: [T] index into the flattened R·L positions whose hidden state predicts the token.
    targets: [T] the token. sample_of: [T] its sample, 0 ≤ sample < S. lengths: [S] scored tokens of each sample.
    """

    samples: tuple[int, ...]
    token_ids: Tensor
    row_lengths: Tensor
    position_ids: Tensor | None
    predicted_at: Tensor
    targets: Tensor
    sample_of: Tensor
    lengths: Tensor

    def attention_mask(self) -> Tensor:
        """[R, L] long, 1 at real tokens: for architectures that padding on the right can reach."""
        positions = torch.arange(self.token_ids.shape[1], device=self.token_ids.device)
        return (positions[None] < self.row_lengths[:, None]).long()


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


def plan_microbatches(lengths: Sequence[int], tokens_per_microbatch: int) -> list[list[int]]:
    """Sequences of the given lengths, longest first, into micro-batches of at most `tokens_per_microbatch` padded
    tokens each. A sequence longer than the budget is a micro-batch of its own."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= tokens_per_microbatch:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def sequence_length(sample: Sample) -> int:
    """Tokens of prompt and completion."""
    return len(sample.prompt_ids) + len(sample.completion_ids)


def build(samples: Sequence[Sample], chosen: Sequence[int], device: torch.device | str) -> MicroBatch:
    """One micro-batch of the chosen samples, one row each; every completion token is scored.

    Raises ValueError for a sample without a prompt: nothing predicts its first token.
    """
    rows = [samples[index] for index in chosen]
    width = max(map(sequence_length, rows))
    token_ids, predicted_at = [], []
    for row, sample in enumerate(rows):
        if not sample.prompt_ids:
            raise ValueError(f"prompt {sample.prompt_id}: no token precedes the completion, nothing predicts its first")
        padding = [PADDING_ID] * (width - sequence_length(sample))
        token_ids.append([*sample.prompt_ids, *sample.completion_ids, *padding])
        first = row * width + len(sample.prompt_ids) - 1
        predicted_at.append(range(first, first + len(sample.completion_ids)))

    def tensor(values: Sequence) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    lengths = tensor([len(sample.completion_ids) for sample in rows])
    return MicroBatch(
        samples=tuple(chosen),
        token_ids=tensor(token_ids),
        row_lengths=tensor([sequence_length(sample) for sample in rows]),
        position_ids=None,
        predicted_at=tensor(list(chain.from_iterable(predicted_at))),
        targets=tensor(list(chain.from_iterable(sample.completion_ids for sample in rows))),
        sample_of=torch.repeat_interleave(torch.arange(len(rows), device=device), lengths),
        lengths=lengths,
    )
