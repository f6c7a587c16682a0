"""Attention of completions over a prompt that lies in memory once.

A completion's softmax runs over the prompt's keys and its own. Each part is an attention of its own, with output o and
log of the sum of exponentials l, and the whole is their mean weighted by exp(l):

    l = log(exp l_p + exp l_c),    o = exp(l_p - l) o_p + exp(l_c - l) o_c

Backwards, a part's gradient is what its kernel computes when it is given the *whole's* output and l: with
p = exp(s - l) and δ = Σ do · o, dv = pᵀ do and ds = p (do vᵀ - δ) hold for every key by itself. So keys and values of
the prompt are never copied for its completions, neither in the forward pass nor in what is kept for the backward pass.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from grpo.models.paths import Grid, beside, in_row

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward.default


def takes(query: Tensor, value: Tensor) -> bool:
    """Whether the kernel under it does: on a CPU, with values as large as keys."""
    return query.device.type == "cpu" and query.shape[-1] == value.shape[-1]


def completions_over_prompt(
    query: Tensor, key: Tensor, value: Tensor, prompt_key: Tensor, prompt_value: Tensor, grid: Grid, scaling: float
) -> Tensor:
    """Queries, keys and values of one branch's completions [H, T, D], keys and values of its prompt [H, P, D] →
    [H, T, D]. No sliding window."""
    return _Completions.apply(query, key, value, prompt_key, prompt_value, grid, scaling)


class _Completions(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, prompt_k: Tensor, prompt_v: Tensor, grid: Grid, scale: float
    ) -> Tensor:
        over_prompt, prompt_lse = _forward(q[None], prompt_k[None], prompt_v[None], 0.0, False, scale=scale)
        over_own, own_lse = _forward(
            *(beside(states, grid.own).contiguous() for states in (q, k, v)), 0.0, True, scale=scale
        )
        over_prompt, prompt_lse = over_prompt[0], prompt_lse[0]
        over_own, own_lse = in_row(over_own, grid), in_row(own_lse[..., None], grid)[..., 0]
        lse = torch.logaddexp(prompt_lse, own_lse)
        out = over_prompt * (prompt_lse - lse).exp()[..., None] + over_own * (own_lse - lse).exp()[..., None]
        out = out.to(q.dtype)
        ctx.save_for_backward(q, k, v, prompt_k, prompt_v, out, lse)
        ctx.grid, ctx.scale = grid, scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, prompt_k, prompt_v, out, lse = ctx.saved_tensors
        grid, scale = ctx.grid, ctx.scale
        whole = (gradient[None], q[None], prompt_k[None], prompt_v[None], out[None], lse[None])
        dq_prompt, dk_prompt, dv_prompt = _backward(*whole, 0.0, False, scale=scale)
        # Padding repeats a token: without a gradient it adds nothing to any.
        padded = [beside(states, grid.own).contiguous() for states in (gradient, q, k, v, out)]
        padded[0] = torch.where(grid.real[:, None, :, None], padded[0], 0.0)
        lse_padded = beside(lse[..., None], grid.own)[..., 0].contiguous()
        dq, dk, dv = (in_row(d, grid) for d in _backward(*padded, lse_padded, 0.0, True, scale=scale))
        return dq + dq_prompt[0], dk, dv, dk_prompt[0], dv_prompt[0], None, None
