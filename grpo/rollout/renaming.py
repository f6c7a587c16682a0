"""A policy with its tokens renamed: rows of the embedding and of the head change places, nothing else does.

    renaming([5, 9]) → {5: 9, 9: 5}      log p(9 9 5 | renamed policy) = log p(5 5 9 | policy), to rounding

A different policy whose log-probs are known exactly, so that a sync can be proved without a second trainer.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch

EMBEDDING = re.compile(r"(^|\.)(embed_tokens|wte|embed_in|word_embeddings)\.weight$")
HEAD = re.compile(r"(^|\.)(lm_head|embed_out)\.(weight|bias)$")


def vocabulary_tensors(shapes: Iterable[tuple[str, torch.Size]]) -> frozenset[str]:
    """Names of the tensors with one row a token: the embedding and, where it is not tied, the head.

    Empty where that cannot be told from names and shapes (no known name, or others with as many rows).
    """
    known = dict(shapes)
    embeddings = [name for name in known if EMBEDDING.search(name)]
    if len(embeddings) != 1:
        return frozenset()
    rows = known[embeddings[0]][0]
    found = {name for name, shape in known.items() if shape and shape[0] == rows}
    named = {name for name in known if EMBEDDING.search(name) or HEAD.search(name)}
    return frozenset(named) if found == named else frozenset()


def renaming(tokens: Sequence[int]) -> dict[int, int]:
    """Each distinct token takes the next one's place, the last one the first's."""
    return dict(zip(tokens, [*tokens[1:], tokens[0]], strict=True))


def renamed_weights(
    weights: Iterator[tuple[str, torch.Tensor]], tensors: frozenset[str], names: Mapping[int, int]
) -> Iterator[tuple[str, torch.Tensor]]:
    """The policy in which token `names[t]` behaves as t did. The policy itself is untouched."""
    before, after = list(names), list(names.values())
    for name, tensor in weights:
        if name in tensors:
            renamed = tensor.detach().clone()
            renamed[after] = tensor.detach()[before]
            tensor = renamed
        yield name, tensor
