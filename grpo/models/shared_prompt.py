"""Attention of completions over a prompt that lies in memory once.

A completion's softmax runs over the prompt's keys and its own. Each part is an attention of its own, with output o and
log of the sum of exponentials l, and the whole is their mean weighted by exp(l):

    l = log(exp l_p + exp l_c),    o = exp(l_p - l) o_p + exp(l_c - l) o_c

Backwards, a part's gradient is what its kernel computes when it is given the *whole's* output and l: with
p = exp(s - l) and δ = Σ do · o, dv = pᵀ do and ds = p (do vᵀ - δ) hold for every key by itself. So keys and values of
the prompt are never copied for its completions, neither in the forward pass nor in what is kept for the backward pass.

Backwards the kernel is given fp32 whatever the precision of the forward pass: in bf16 it takes two to four times as
long on a CPU, with matrix units for bf16 too, and is less exact.
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


def over_itself(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """Causal attention of one sequence, all [H, T, D]. No sliding window."""
    return _Sequence.apply(query, key, value, scaling)


def completions_over_prompt(
    query: Tensor, key: Tensor, value: Tensor, prompt_key: Tensor, prompt_value: Tensor, grid: Grid, scaling: float
) -> Tensor:
    """Queries, keys and values of one branch's completions [H, T, D], keys and values of its prompt [H, P, D] →
    [H, T, D]. No sliding window."""
    return _Completions.apply(query, key, value, prompt_key, prompt_value, grid, scaling)


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        out, lse = _forward(q[None], k[None], v[None], 0.0, True, scale=scale)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.scale = scale
        return out[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out, lse = ctx.saved_tensors
        found = _backward_in_fp32(gradient[None], q[None], k[None], v[None], out, lse, causal=True, scale=ctx.scale)
        dq, dk, dv = (d[0].to(q.dtype) for d in found)
        return dq, dk, dv, None


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
        dq_prompt, dk_prompt, dv_prompt = (d[0] for d in _backward_in_fp32(*whole, causal=False, scale=scale))
        q_G, k_G, v_G, out_G = (beside(states, grid.own).contiguous() for states in (q, k, v, out))
        # Padding repeats a token: without a gradient it adds nothing to any.
        gradient_G = torch.where(grid.real[:, None, :, None], beside(gradient, grid.own), 0.0)
        lse_G = beside(lse[..., None], grid.own)[..., 0].contiguous()
        found = _backward_in_fp32(gradient_G, q_G, k_G, v_G, out_G, lse_G, causal=True, scale=scale)
        dq, dk, dv = (in_row(d, grid) for d in found)
        return *(d.to(q.dtype) for d in (dq + dq_prompt, dk, dv, dk_prompt, dv_prompt)), None, None


def _backward_in_fp32(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, *, causal: bool, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries, keys and values in fp32."""
    wide = (states.float() for states in (gradient, q, k, v, out))
    dq, dk, dv = _backward(*wide, lse, 0.0, causal, scale=scale)
    return dq, dk, dv
