"""The packed row on a GPU: FlashAttention in bf16 is as near to the fp32 gradient as padded rows in bf16 are."""

import pytest
import torch

from grpo.models import path_attention
from grpo.training.choose import choose_layout
from grpo.training.forward import token_logprobs
from grpo.training.layout import Layout
from grpo.training.padded import PaddedRows
from grpo.training.shared import SharedPrompts
from tests.training.cases import relative
from tests.training.test_forward import install, random_model
from tests.training.test_shared import RAGGED

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def gradient(model: torch.nn.Module, layout: Layout) -> dict[str, torch.Tensor]:
    model.zero_grad()
    batch = layout.build(RAGGED, range(len(RAGGED)), "cuda")
    lengths = [len(RAGGED[index].completion_ids) for index in batch.samples]
    weights = [torch.linspace(-1, 1, n) * (1 + i) for i, n in zip(batch.samples, lengths, strict=True)]
    (token_logprobs(model, batch, 0.9)[0] * torch.cat(weights).cuda()).sum().backward()
    return {name: weight.grad.float() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "mistral", "gemma3_text", "deepseek_v3"])
def test_flash_attention_is_as_exact_as_padded_rows(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(architecture).cuda()
    install(model)
    assert isinstance(choose_layout(model), SharedPrompts)
    exact = gradient(model, PaddedRows())
    assert relative(gradient(model, SharedPrompts()), exact) < 1e-4
    model.bfloat16()
    calls = []
    kernel = path_attention.varlen_attn
    monkeypatch.setattr(path_attention, "varlen_attn", lambda *a, **k: calls.append(1) or kernel(*a, **k))
    padded, shared = (relative(gradient(model, layout), exact) for layout in (PaddedRows(), SharedPrompts()))
    assert calls
    assert shared < 1.5 * padded
    assert isinstance(choose_layout(model), SharedPrompts)
