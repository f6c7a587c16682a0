"""The two kernels of path attention on one row: what is given to FlashAttention, computed here by a plain loop."""

import pytest
import torch
from torch import Tensor

from grpo.models import path_attention
from grpo.models.path_attention import flash, sdpa
from grpo.models.paths import Branch, Paths

ROW = Paths([Branch(0, 5, (3, 0, 4)), Branch(12, 1, (0,)), Branch(13, 2, (6, 1))])
TOKENS = 22


def test_segments_by_hand() -> None:
    segments = Paths([Branch(0, 2, (1, 0, 2)), Branch(5, 1, (0,))]).segments
    assert segments.keys.tolist() == [0, 1, 0, 1, 2, 0, 1, 3, 4, 5]
    assert segments.query_starts.tolist() == [0, 2, 3, 5, 6]
    assert segments.key_starts.tolist() == [0, 2, 5, 9, 10]
    assert (segments.longest_query, segments.longest_key) == (2, 4)


def plain_varlen(
    query: Tensor, key: Tensor, value: Tensor, query_starts: Tensor, key_starts: Tensor, *longest: int,
    scale: float | None, window_size: tuple[int, int], enable_gqa: bool,
) -> Tensor:  # fmt: skip
    """[T, H, D]: each query sees the keys up to its own place, counted from the end, and `left` before it."""
    left, right = window_size
    assert right == 0
    assert enable_gqa
    key, value = (states.repeat_interleave(query.shape[1] // states.shape[1], 1) for states in (key, value))
    outputs = []
    for n in range(len(query_starts) - 1):
        q = query[query_starts[n] : query_starts[n + 1]]
        k, v = (states[key_starts[n] : key_starts[n + 1]] for states in (key, value))
        assert len(q) <= longest[0]
        assert len(k) <= longest[1]
        for place in range(len(q)):
            end = len(k) - len(q) + place + 1
            start = 0 if left < 0 else max(0, end - 1 - left)
            scores = torch.einsum("hd,khd->hk", q[place], k[start:end]) * (scale or q.shape[-1] ** -0.5)
            outputs.append(torch.einsum("hk,khd->hd", scores.softmax(-1), v[start:end]))
    return torch.stack(outputs)


@pytest.mark.parametrize("window", [None, 3, 100])
@pytest.mark.parametrize(("value_size", "scale"), [(8, None), (4, 0.1)])
def test_both_kernels_agree(
    monkeypatch: pytest.MonkeyPatch, window: int | None, value_size: int, scale: float | None
) -> None:
    monkeypatch.setattr(path_attention, "varlen_attn", plain_varlen)
    torch.manual_seed(0)
    shapes = {"query": (4, TOKENS, 8), "key": (2, TOKENS, 8), "value": (2, TOKENS, value_size)}
    leaves = [torch.randn(shape, requires_grad=True) for shape in shapes.values()]
    query, key, value = leaves
    weights = torch.randn(TOKENS, 4, value_size)
    flashed = flash(query, key, value, ROW.segments, scale, window)
    expected = sdpa(query, key.repeat_interleave(2, 0), value.repeat_interleave(2, 0), ROW, scale, window)
    torch.testing.assert_close(flashed, expected, atol=1e-5, rtol=1e-4)
    gradients = [torch.autograd.grad((outcome * weights).sum(), leaves) for outcome in (flashed, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
