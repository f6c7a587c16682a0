"""The gradient of one micro-batch: body forward, head and loss piece by piece, body backward.

    hidden states of all scored tokens
    for each piece:  logits → log-probs → its share of the loss → gradient of the head and of its hidden states
    gradients of all hidden states → gradient of the body

A piece's logits are gone before the next piece begins, and none is computed twice: a share of the loss needs no other
piece. Where the loss looks at whole completions a piece holds whole completions.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from grpo.algorithm.batch import Denominators, LossMetrics, TokenBatch, add_metrics, tally
from grpo.algorithm.losses import policy_loss
from grpo.algorithm.settings import LossSettings
from grpo.records import Sample
from grpo.training.forward import predicting_states, scored, tokens_per_chunk
from grpo.training.layout import MicroBatch

IMPOSSIBLE = 1e-4
"""Nats. A log-prob above it is no rounding: the head, or the kernel under it, is broken."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Ranges of a micro-batch's scored tokens and of its samples; the tokens belong to these samples alone."""

    tokens: slice
    samples: slice


@dataclass(frozen=True, slots=True)
class Fixed:
    """What the loss reads of a micro-batch beside the policy's log-probs: a `TokenBatch` without them.

    old: [T]; None in the round's first update, whose own forward gives them.
    sampling_is_old: the engine's log-probs are the old ones, where it gave any.
    """

    batch: MicroBatch
    old: Tensor | None
    reference: Tensor | None
    sampling: Tensor
    advantages: Tensor
    counted: Tensor
    sampling_is_old: bool = False

    @classmethod
    def of(
        cls,
        batch: MicroBatch,
        samples: Sequence[Sample],
        old: Tensor | None,
        reference: Tensor | None,
        *,
        sampling_is_old: bool = False,
    ) -> "Fixed":
        """samples: those that the batch was built from."""
        rows, device = [samples[index] for index in batch.samples], batch.targets.device
        sampling = [value for sample in rows for value in sample.sampling_logprobs]
        return cls(
            batch,
            old,
            reference,
            torch.tensor(sampling, dtype=torch.float32, device=device),
            torch.tensor([sample.advantage for sample in rows], dtype=torch.float32, device=device),
            torch.tensor([sample.counted for sample in rows], dtype=torch.bool, device=device),
            sampling_is_old,
        )

    def tokens(self, piece: Piece, logprobs: Tensor) -> TokenBatch:
        """logprobs: the policy's, of the piece's tokens."""
        at, rows = piece.tokens, piece.samples
        sampling = self.sampling[at]
        old = logprobs.detach() if self.old is None else self.old[at]
        if self.sampling_is_old:
            old = torch.where(sampling.isfinite(), sampling, old)
        return TokenBatch(
            logprobs=logprobs,
            old_logprobs=old,
            sampling_logprobs=sampling,
            ref_logprobs=None if self.reference is None else self.reference[at],
            advantages=self.advantages[rows],
            sample_of=self.batch.sample_of[at] - rows.start,
            lengths=self.batch.lengths[rows],
            counted=self.counted[rows],
        )


def backward(
    model: nn.Module,
    fixed: Fixed,
    denominators: Denominators,
    settings: LossSettings,
    temperature: float,
    *,
    chunk_tokens: int | None = None,
) -> LossMetrics:
    """Adds the micro-batch's gradient to the model's; its figures as [sum, count], those of `policy_loss` with `loss`,
    `entropy`, and `impossible` for log-probs above zero.

    chunk_tokens: tokens whose logits exist at once (default: by bytes).
    """
    batch = fixed.batch
    chunk_tokens = chunk_tokens or tokens_per_chunk(model, batch.targets.device)
    hidden_T = predicting_states(model, batch)
    figures: LossMetrics = {}
    gradients: list[Tensor] = []
    for piece in pieces(batch.sample_lengths, chunk_tokens, whole=settings.needs_whole_samples):
        hidden_N = hidden_T[piece.tokens].detach().requires_grad_()
        logprobs, entropy = scored(model, hidden_N, batch.targets[piece.tokens], temperature, chunk_tokens)
        tokens = fixed.tokens(piece, logprobs)
        loss, found = policy_loss(tokens, denominators, settings)
        loss.backward()
        assert hidden_N.grad is not None
        gradients.append(hidden_N.grad)
        counted_N = tokens.counted_at("token")
        found["entropy"] = tally(entropy, counted_N)
        found["impossible"] = tally(logprobs > IMPOSSIBLE, counted_N)
        found["loss"] = torch.stack([loss.detach(), torch.zeros_like(loss)])
        figures = add_metrics(figures, found)
    if hidden_T.requires_grad:  # not where the head alone learns
        hidden_T.backward(torch.cat(gradients))
    return figures


def pieces(lengths: Sequence[int], most: int, *, whole: bool) -> Iterator[Piece]:
    """Samples of these many tokens, one behind the other, in pieces of at most `most` tokens; of whole samples if asked
    for, and then a sample longer than `most` is a piece of its own."""
    ends = list(accumulate(lengths))
    start = first = 0
    while start < (ends[-1] if ends else 0):
        last = bisect_right(ends, start + most)  # samples that end within reach
        if whole:
            last = max(last, first + 1)
            stop = ends[last - 1]
        else:
            stop = min(start + most, ends[-1])
            last = bisect_left(ends, stop) + 1
        yield Piece(slice(start, stop), slice(first, last))
        start = stop
        first = bisect_right(ends, start)
