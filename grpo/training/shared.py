"""The shared layout: one packed row a micro-batch, each prompt once before all its completions, no padding.

A group of G completions of C tokens behind a prompt of P is P + G·C tokens instead of G·(P + C). The last token of a
completion predicts nothing that is scored, so it is not forwarded.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from grpo.models.paths import Branch, Paths
from grpo.records import Sample
from grpo.training.layout import MicroBatch, Unit, check_prompt, scored_tokens


class SharedPrompts:
    """`Layout` of packed rows in which completions of one prompt share it."""

    def units(self, samples: Sequence[Sample], chosen: Sequence[int], ranks: int) -> list[Unit]:
        """Groups; where a rank would stay idle, the group with most samples is halved until none does."""
        groups: dict[tuple[int, ...], Unit] = {}
        for index in chosen:
            groups.setdefault(samples[index].prompt_ids, []).append(index)
        units = list(groups.values())
        while len(units) < ranks and max(map(len, units), default=0) > 1:
            largest = max(range(len(units)), key=lambda place: (len(units[place]), -place))
            unit, half = units[largest], len(units[largest]) // 2
            units[largest : largest + 1] = [unit[:half], unit[half:]]
        return units

    def cost(self, samples: Sequence[Sample], unit: Unit) -> int:
        """Tokens of the prompt and of every completion."""
        return len(samples[unit[0]].prompt_ids) + sum(len(samples[index].completion_ids) for index in unit)

    def microbatches(self, samples: Sequence[Sample], units: Sequence[Unit], budget: int) -> list[Unit]:
        """Largest unit first, each into the first micro-batch that has room for it."""
        parts = [part for unit in units for part in self._within(samples, unit, budget)]
        costs = [self.cost(samples, part) for part in parts]
        batches: list[Unit] = []
        room: list[int] = []
        for item in sorted(range(len(parts)), key=lambda item: (-costs[item], item)):
            place = next((place for place, left in enumerate(room) if costs[item] <= left), None)
            if place is None:
                batches.append(list(parts[item]))
                room.append(budget - costs[item])
            else:
                batches[place] += parts[item]
                room[place] -= costs[item]
        return batches

    def _within(self, samples: Sequence[Sample], unit: Unit, budget: int) -> list[Unit]:
        """A unit cut where it outgrows the budget, each part with its own copy of the prompt. Completions of like
        length stay together, because attention pads them to the longest of their part."""
        by_length = sorted(unit, key=lambda index: (-len(samples[index].completion_ids), index))
        parts: list[Unit] = []
        room = 0
        for index in by_length:
            length = len(samples[index].completion_ids)
            if parts and length <= room:
                parts[-1].append(index)
                room -= length
            else:
                parts.append([index])
                room = budget - self.cost(samples, [index])
        return parts

    def build(self, samples: Sequence[Sample], chosen: Sequence[int], device: torch.device | str) -> MicroBatch:
        """One row; samples of one prompt are brought together, in the order given."""
        row = _Row()
        for unit in self.units(samples, chosen, ranks=1):
            row.add(unit, [samples[index] for index in unit])

        def tensor(values: Sequence[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.long, device=device)

        return MicroBatch(
            samples=tuple(row.samples),
            token_ids=tensor(row.token_ids)[None],
            row_lengths=tensor([len(row.token_ids)]),
            position_ids=tensor(row.position_ids)[None],
            paths=Paths(row.branches, device),
            predicted_at=tensor(row.predicted_at),
            **scored_tokens([samples[index] for index in row.samples], device),
        )

    def most(self, prompt: int, completion: int, budget: int, at_most: int) -> int:
        """Completions beside one prompt."""
        return max(1, min(at_most, (budget - prompt) // max(1, completion)))


class _Row:
    """A packed row while it grows."""

    def __init__(self) -> None:
        self.samples: list[int] = []
        self.token_ids: list[int] = []
        self.position_ids: list[int] = []
        self.predicted_at: list[int] = []
        self.branches: list[Branch] = []

    def add(self, unit: Unit, samples: Sequence[Sample]) -> None:
        """One prompt, then its completions without their last tokens."""
        check_prompt(samples[0])
        start, prompt = len(self.token_ids), samples[0].prompt_ids
        behind = start + len(prompt)
        self.token_ids += prompt
        self.position_ids += range(len(prompt))
        for sample in samples:
            first, forwarded = len(self.token_ids), sample.completion_ids[:-1]
            self.token_ids += forwarded
            self.position_ids += range(len(prompt), len(prompt) + len(forwarded))
            if sample.completion_ids:
                self.predicted_at += [behind - 1, *range(first, first + len(forwarded))]
        self.samples += unit
        forwarded_each = tuple(max(0, len(sample.completion_ids) - 1) for sample in samples)
        self.branches.append(Branch(start, len(prompt), forwarded_each))
