"""Attention over prompts that share their completions' row: each token sees the path that leads to it, and no more.

A completion attends to its own prompt and to itself, as if it stood alone behind the prompt; its siblings are out of
sight. The prompt's hidden states are computed once, and its gradient is the sum over its completions, which is what the
padded forward computes G times.

Registered with transformers' AttentionInterface, so that any architecture whose attention goes through it can be
trained this way. What an architecture does beside attention (convolutions, recurrence) it would still do along the
whole row: `grpo.training.choose` compares with the padded forward before a row is packed.

On a GPU in half precision the kernel is torch's FlashAttention for variable lengths, in the version that torch has or
was given (`torch.nn.attention.activate_flash_attention_impl`); elsewhere it is SDPA, a prompt or a group at a time, on
a CPU without a copy of the prompt's keys for each completion (`shared_prompt`). Soft caps and sinks, which none of them
can do, are computed as they are written (`exact_attention`), in padded rows as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from grpo.models import shared_prompt
from grpo.models.exact_attention import Extras, attend
from grpo.models.paths import Grid, Paths, Segments, beside, in_row

NAME = "grpo_paths"
FLASH_HEAD_SIZES = range(8, 257, 8)

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

    Without `paths` rows are padded: batches of queries [N, H, T, D] with transformers' mask. sliding_window: the tokens
    that a token sees, itself included. softcap: of the scores. s_aux: [H], sinks.
    """
    extras = None if softcap is None and s_aux is None else Extras(softcap, s_aux)
    if paths is None and extras is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **extra)
    if paths is not None and extras is None and _flash_takes(query):
        return flash(query[0], key[0], value[0], paths.segments, scaling, sliding_window)[None], None
    groups = getattr(module, "num_key_value_groups", 1)
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    if paths is not None:
        return sdpa(query[0], key[0], value[0], paths, scaling, sliding_window, extras)[None], None
    assert extras is not None
    seen = attention_mask
    if seen is None:  # transformers makes no mask where causality is all there is to it
        seen = _seen(query.shape[2], key.shape[2], None, query.device)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return attend(query, key, value, seen, scale, extras).transpose(1, 2), None


def _flash_takes(query: Tensor) -> bool:
    half = query.dtype in (torch.bfloat16, torch.float16)
    return query.is_cuda and half and query.shape[-1] in FLASH_HEAD_SIZES


def flash(
    query: Tensor, key: Tensor, value: Tensor, segments: Segments, scaling: float | None, window: int | None
) -> Tensor:
    """[H, T, D], [H', T, D], [H', T, D'] → [T, H, D'], all sequences in one call."""
    size = value.shape[-1]
    value = pad(value, (0, query.shape[-1] - size))  # multi-head latent attention has smaller values
    attended = varlen_attn(
        query.transpose(0, 1),
        key.transpose(0, 1).index_select(0, segments.keys),
        value.transpose(0, 1).index_select(0, segments.keys),
        segments.query_starts,
        segments.key_starts,
        segments.longest_query,
        segments.longest_key,
        scale=scaling,
        # tokens to the left that a token sees beside itself, all where -1; none to the right
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=True,
    )
    assert isinstance(attended, Tensor)  # without its log-sum-exp, for which nobody asked
    return attended[..., :size]


def sdpa(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    paths: Paths,
    scaling: float | None,
    window: int | None,
    extras: Extras | None = None,
) -> Tensor:
    """[H, T, D], [H, T, D], [H, T, D'] → [T, H, D']: for each branch its prompt, then its completions as a batch."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # Split, not sliced: the gradient of a slice is as large as the row, for each slice.
    q, k, v = (states.split(paths.sizes, dim=1) for states in (query, key, value))
    by_parts = extras is None and shared_prompt.takes(query, value)
    outputs = []
    for number, grid in enumerate(paths.grids):
        prompt, behind = 2 * number, 2 * number + 1
        if by_parts and (window is None or q[prompt].shape[1] <= window):
            outputs.append(shared_prompt.over_itself(q[prompt], k[prompt], v[prompt], scale))
        else:
            outputs.append(_causal(q[prompt][None], k[prompt][None], v[prompt][None], scale, window, extras)[0])
        if grid is None:
            continue
        if by_parts and (window is None or grid.keys.shape[1] <= window):
            own, of_prompt = (q[behind], k[behind], v[behind]), (k[prompt], v[prompt])
            outputs.append(shared_prompt.completions_over_prompt(*own, *of_prompt, grid, scale))
        else:
            outputs.append(_completions(query, key, value, grid, scale, window, extras))
    return torch.cat(outputs, dim=1).transpose(0, 1).contiguous()


def _completions(
    query: Tensor, key: Tensor, value: Tensor, grid: Grid, scale: float, window: int | None, extras: Extras | None
) -> Tensor:
    """The completions of one branch beside each other → [H, their tokens, D']."""
    q, k, v = beside(query, grid.queries), beside(key, grid.keys), beside(value, grid.keys)
    return in_row(_causal(q, k, v, scale, window, extras), grid)


def _causal(q: Tensor, k: Tensor, v: Tensor, scale: float, window: int | None, extras: Extras | None) -> Tensor:
    """Attention in which the last query sees every key (or the last `window` of them), the one before all but one, …"""
    queries, keys = q.shape[-2], k.shape[-2]
    if extras is None and queries == keys and (window is None or keys <= window):
        return scaled_dot_product_attention(q, k, v, is_causal=queries > 1, scale=scale)
    seen = _seen(queries, keys, window, q.device)
    if extras is not None:
        return attend(q, k, v, seen, scale, extras)
    return scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale)


def _seen(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """[queries, keys] bool: whether a query sees a key."""
    at = torch.arange(keys - queries, keys, device=device)[:, None]
    of = torch.arange(keys, device=device)[None]
    return of <= at if window is None else (of <= at) & (of > at - window)


def _mask(*arguments: Any, **named: Any) -> Tensor | None:
    return None if _packed.get() else sdpa_mask(*arguments, **named)


def leave_uncompiled() -> None:
    """From now on torch.compile passes path attention over, in this process."""
    AttentionInterface.register(NAME, torch.compiler.disable(path_attention))


AttentionInterface.register(NAME, path_attention)
AttentionMaskInterface.register(NAME, _mask)
