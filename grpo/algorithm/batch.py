"""The flat form a loss is computed on: one entry a completion token, one entry a sample, no padding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from grpo.records import Sample

Level = Literal["token", "sequence"]

LossMetrics = dict[str, Tensor]
"""Name → [sum, count], fp32, detached: add them over micro-batches and ranks, then divide."""


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Completion tokens of one micro-batch. T tokens of S samples; every log-prob is in nats.

    logprobs: [T], of the policy being trained, with gradient.
    old_logprobs: [T], of the policy at the start of the update round; `logprobs.detach()` in the round's first update.
    sampling_logprobs: [T], of the engine that sampled. Not finite where the engine gave none (see mismatch.py).
    ref_logprobs: [T], of the reference; None where beta is 0.
    advantages: [S]. sample_of: [T] long, the sample of each token.
    lengths: [S], completion tokens of the whole sample, also where this batch holds only some of them.
    counted: [S] bool, False: in no denominator and without gradient.
    """

    logprobs: Tensor
    old_logprobs: Tensor
    sampling_logprobs: Tensor
    ref_logprobs: Tensor | None
    advantages: Tensor
    sample_of: Tensor
    lengths: Tensor
    counted: Tensor

    def advantages_at(self, level: Level) -> Tensor:
        """[T] or [S]."""
        return self.advantages[self.sample_of] if level == "token" else self.advantages

    def counted_at(self, level: Level) -> Tensor:
        """[T] or [S] bool."""
        return self.counted[self.sample_of] if level == "token" else self.counted

    def to_tokens(self, values: Tensor, level: Level) -> Tensor:
        """[T] from [T] or [S]."""
        return values if level == "token" else values[self.sample_of]

    def sum_per_sample(self, values_T: Tensor) -> Tensor:
        """[S] sums over each sample's tokens. Raises ValueError where a sample's tokens are not all in this batch:
        a figure of the whole sequence cannot be taken from a part of it."""
        present = torch.bincount(self.sample_of, minlength=len(self.lengths))
        if not torch.equal(present.to(self.lengths.dtype), self.lengths):
            raise ValueError(
                "a sequence-level ratio needs all tokens of a sample in one micro-batch: "
                f"lengths {self.lengths.tolist()}, tokens here {present.tolist()}"
            )
        return values_T.new_zeros(len(self.lengths)).index_add(0, self.sample_of, values_T)


@dataclass(frozen=True, slots=True)
class Denominators:
    """Global counts over one update: all micro-batches, all ranks. Dividing by them (and never by a micro-batch's own
    counts) is what makes any split into micro-batches the same update.

    samples: counted samples, those of advantage 0 included. tokens: their completion tokens.
    max_completion_length: the recipe's, in tokens (dr_grpo divides by it).
    """

    samples: int
    tokens: int
    max_completion_length: int

    @classmethod
    def of(cls, samples: Sequence[Sample], max_completion_length: int) -> "Denominators":
        """Of all samples of one update."""
        counted = [sample for sample in samples if sample.counted]
        return cls(len(counted), sum(len(sample.completion_ids) for sample in counted), max_completion_length)


def tally(values: Tensor, where: Tensor) -> Tensor:
    """[sum, count] of the selected values, detached."""
    values = values.detach().float()
    return torch.stack([torch.where(where, values, 0.0).sum(), where.sum().to(values.dtype)])


def add_metrics(total: LossMetrics, part: Mapping[str, Tensor]) -> LossMetrics:
    """Sums by name; a name may be missing on either side."""
    return {
        name: total[name] + part[name] if name in total and name in part else total.get(name, part.get(name))  # type: ignore[misc]
        for name in (total | dict(part))
    }
