"""The padded layout: one row a sample, prompt included, sorted by length. Every architecture can be trained with it."""

from collections.abc import Sequence
from itertools import chain

import torch

from grpo.records import Sample
from grpo.training.layout import MicroBatch, Unit, check_prompt, scored_tokens, sequence_length

PADDING_ID = 0


class PaddedRows:
    """`Layout` of one row a sample."""

    def units(self, samples: Sequence[Sample], chosen: Sequence[int], ranks: int) -> list[Unit]:
        """Each sample alone."""
        return [[index] for index in chosen]

    def cost(self, samples: Sequence[Sample], unit: Unit) -> int:
        """Real tokens, without the padding that a longer neighbour will bring."""
        return sum(sequence_length(samples[index]) for index in unit)

    def microbatches(self, samples: Sequence[Sample], units: Sequence[Unit], budget: int) -> list[Unit]:
        """Longest first, at most `budget` padded tokens each."""
        places = [index for unit in units for index in unit]
        lengths = [sequence_length(samples[index]) for index in places]
        return [[places[item] for item in batch] for batch in plan_microbatches(lengths, budget)]

    def build(self, samples: Sequence[Sample], chosen: Sequence[int], device: torch.device | str) -> MicroBatch:
        """A row a sample; every completion token is scored."""
        rows = [samples[index] for index in chosen]
        width = max(map(sequence_length, rows))
        token_ids, predicted_at = [], []
        for row, sample in enumerate(rows):
            check_prompt(sample)
            padding = [PADDING_ID] * (width - sequence_length(sample))
            token_ids.append([*sample.prompt_ids, *sample.completion_ids, *padding])
            first = row * width + len(sample.prompt_ids) - 1
            predicted_at.append(range(first, first + len(sample.completion_ids)))

        def tensor(values: Sequence) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.long, device=device)

        return MicroBatch(
            samples=tuple(chosen),
            token_ids=tensor(token_ids),
            row_lengths=tensor([sequence_length(sample) for sample in rows]),
            position_ids=None,
            paths=None,
            predicted_at=tensor(list(chain.from_iterable(predicted_at))),
            **scored_tokens(rows, device),
        )

    def most(self, prompt: int, completion: int, budget: int, at_most: int) -> int:
        """Rows of prompt and completion."""
        return max(1, min(at_most, budget // (prompt + completion)))


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
