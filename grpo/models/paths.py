"""Where the prompts and completions of a packed row lie, in the two forms that attention takes them.

A row holds prompt, completion, completion, …, prompt, completion, … Grids serve SDPA: the completions of one prompt
beside each other, padded to the longest. Segments serve kernels with variable lengths: all sequences one after another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Branch:
    """One prompt and the completions that start from it.

    start: position of the prompt's first token in the row. prompt, completions: their tokens in the row; a completion
    may have none.
    """

    start: int
    prompt: int
    completions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """G completions of one prompt of P tokens, padded to the longest, C.

    queries: [G, C] positions in the row of their tokens; padding repeats a position of the prompt's.
    keys: [G, P + C] positions of prompt and completion. inside: [tokens] indices into the flattened G·C that are not
        padding, in the order of the row.
    own: [G, C] as queries, counted from the first completion's first token, which padding repeats. real: [G, C] False
        at padding.
    """

    queries: Tensor
    keys: Tensor
    inside: Tensor
    own: Tensor
    real: Tensor


@dataclass(frozen=True, slots=True)
class Segments:
    """N sequences: each prompt, and each completion behind a copy of its prompt. Their queries are the row as it is.

    keys: [K] positions in the row. query_starts, key_starts: [N + 1] int32, the first query and key of each sequence.
    """

    keys: Tensor
    query_starts: Tensor
    key_starts: Tensor
    longest_query: int
    longest_key: int


class Paths:
    """The branches of a row, in order: together they cover it. Each form is made at first use, on `device`."""

    def __init__(self, branches: Sequence[Branch], device: torch.device | str = "cpu") -> None:
        self.branches, self._device = tuple(branches), device

    @cached_property
    def sizes(self) -> list[int]:
        """Tokens of each branch's prompt, then of all its completions."""
        return [size for branch in self.branches for size in (branch.prompt, sum(branch.completions))]

    @cached_property
    def grids(self) -> tuple[Grid | None, ...]:
        """One a branch; None where no completion of it has a token."""
        return tuple(_grid(branch, self._device) for branch in self.branches)

    @cached_property
    def segments(self) -> Segments:
        keys: list[int] = []
        lengths: list[tuple[int, int]] = []  # of queries and keys
        for branch in self.branches:
            first = branch.start + branch.prompt
            prompt = range(branch.start, first)
            keys += prompt
            lengths.append((branch.prompt, branch.prompt))
            for length in filter(None, branch.completions):
                keys += prompt
                keys += range(first, first + length)
                lengths.append((length, branch.prompt + length))
                first += length
        queries_N, keys_N = zip(*lengths, strict=True)
        return Segments(
            torch.tensor(keys, device=self._device),
            _starts(queries_N, self._device),
            _starts(keys_N, self._device),
            max(queries_N),
            max(keys_N),
        )


def beside(states: Tensor, positions: Tensor) -> Tensor:
    """[H, T, D] at positions [G, N] → [G, H, N, D]: the sequences beside each other."""
    return states.index_select(1, positions.flatten()).unflatten(1, positions.shape).transpose(0, 1)


def in_row(states: Tensor, grid: Grid) -> Tensor:
    """[G, H, C, D] of a grid's completions → [H, their tokens, D] one behind the other, the padding dropped."""
    return states.transpose(0, 1).flatten(1, 2).index_select(1, grid.inside)


def _starts(lengths: Sequence[int], device: torch.device | str) -> Tensor:
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)


def _grid(branch: Branch, device: torch.device | str) -> Grid | None:
    longest = max(branch.completions)
    if longest == 0:
        return None
    lengths_G = torch.tensor(branch.completions)
    starts_G = branch.start + branch.prompt + lengths_G.cumsum(0) - lengths_G
    offsets_C = torch.arange(longest)
    inside_GC = offsets_C < lengths_G[:, None]
    # A shorter completion's surplus repeats the prompt's first token: attended to by surplus alone, and then dropped.
    queries_GC = torch.where(inside_GC, starts_G[:, None] + offsets_C, branch.start)
    prompt_GP = torch.arange(branch.start, branch.start + branch.prompt).expand(len(lengths_G), -1)
    inside = inside_GC.flatten().nonzero().squeeze(1)
    keys = torch.cat([prompt_GP, queries_GC], dim=1)
    own_GC = torch.where(inside_GC, queries_GC - branch.start - branch.prompt, 0)
    return Grid(*(tensor.to(device) for tensor in (queries_GC, keys, inside, own_GC, inside_GC)))
