"""Attention over prompts that share their completions' row: each token sees the path that leads to it, and no more.

A row holds prompt, completion, completion, …, prompt, completion, … A completion attends to its own prompt and to
itself, as if it stood alone behind the prompt; its siblings are out of sight. The prompt's hidden states are computed
once, and its gradient is the sum over its completions, which is what the padded forward computes G times.

Registered with transformers' AttentionInterface, so that any architecture whose attention goes through it can be
trained this way. What an architecture does beside attention (convolutions, recurrence) it would still do along the
whole row: `grpo.training.choose` compares with the padded forward before a row is packed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "grpo_paths"


@dataclass(frozen=True, slots=True)
class Completions:
    """G completions of one prompt of P tokens, padded to the longest, C.

    queries: [G, C] positions in the row of their tokens; padding repeats a position of the prompt's.
    keys: [G, P + C] positions of prompt and completion. inside: [tokens] indices into the flattened G·C that are not
        padding, in the order of the row.
    """

    queries: Tensor
    keys: Tensor
    inside: Tensor


@dataclass(frozen=True, slots=True)
class Branch:
    """One prompt and the completions that start from it, next to each other in a row of tokens.

    start: position of the prompt's first token in the row. prompt: its tokens, P. completions: None where none of them
        has a token to forward.
    """

    start: int
    prompt: int
    completions: Completions | None


Paths = tuple[Branch, ...]
"""The branches of a row, in order: together they cover it."""

_packed: ContextVar[bool] = ContextVar("packed", default=False)


@contextmanager
def packed_row() -> Iterator[None]:
    """No mask is made in here: a mask over the whole row is quadratic in its length, and the paths replace it."""
    token = _packed.set(True)
    try:
        yield
    finally:
        _packed.reset(token)


def path_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    paths: Paths | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **extra: Any,
) -> tuple[Tensor, None]:
    """Queries [1, H, T, D], keys [1, H', T, D], values [1, H', T, D'] of one row → [1, T, H, D'].

    Without `paths` this is transformers' own SDPA attention. sliding_window: the tokens that a token sees, itself
    included. Raises NotImplementedError for soft caps and attention sinks, which SDPA cannot do.
    """
    if paths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **extra)
    if softcap is not None or s_aux is not None:
        raise NotImplementedError("path attention has neither soft caps nor sinks")
    groups = getattr(module, "num_key_value_groups", 1)
    query, key, value = query[0], repeat_kv(key, groups)[0], repeat_kv(value, groups)[0]
    outputs = []
    for branch in paths:
        prompt = slice(branch.start, branch.start + branch.prompt)
        q, k, v = query[None, :, prompt], key[None, :, prompt], value[None, :, prompt]
        outputs.append(_causal(q, k, v, scaling, sliding_window)[0])
        if branch.completions is not None:
            outputs.append(_completions(query, key, value, branch.completions, scaling, sliding_window))
    return torch.cat(outputs, dim=1).transpose(0, 1)[None].contiguous(), None


def _completions(
    query: Tensor, key: Tensor, value: Tensor, rows: Completions, scaling: float | None, window: int | None
) -> Tensor:
    """The completions of one branch beside each other → [H, their tokens, D']."""
    q, k, v = _gather(query, rows.queries), _gather(key, rows.keys), _gather(value, rows.keys)
    attended = _causal(q, k, v, scaling, window).transpose(0, 1).flatten(1, 2)
    return attended.index_select(1, rows.inside)


def _gather(states: Tensor, positions: Tensor) -> Tensor:
    """[H, T, D] at [G, N] → [G, H, N, D]."""
    return states.index_select(1, positions.flatten()).unflatten(1, positions.shape).transpose(0, 1)


def _causal(q: Tensor, k: Tensor, v: Tensor, scaling: float | None, window: int | None) -> Tensor:
    """Attention in which the last query sees every key (or the last `window` of them), the one before all but one, …"""
    queries, keys = q.shape[-2], k.shape[-2]
    if queries == keys and (window is None or keys <= window):
        return scaled_dot_product_attention(q, k, v, is_causal=queries > 1, scale=scaling)
    at = torch.arange(keys - queries, keys, device=q.device)[:, None]
    seen = torch.arange(keys, device=q.device)[None]
    mask = seen <= at if window is None else (seen <= at) & (seen > at - window)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scaling)


def _mask(*arguments: Any, **named: Any) -> Tensor | None:
    return None if _packed.get() else sdpa_mask(*arguments, **named)


def install(model: "PreTrainedModel") -> bool:
    """Makes path attention the model's attention, where it was SDPA; True if it is now. Padded rows go as before."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)
    return model.config._attn_implementation == NAME


AttentionInterface.register(NAME, path_attention)
AttentionMaskInterface.register(NAME, _mask)
