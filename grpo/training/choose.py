"""Which layout a policy is trained with: shared prompts where its architecture can be packed, else padded rows."""

import logging
from typing import Literal

import torch
from torch import Tensor, nn

from grpo.models.head import bare, causal_without_mask, hidden_states
from grpo.models.path_attention import NAME as PATH_ATTENTION
from grpo.records import Sample
from grpo.training.layout import Layout, MicroBatch
from grpo.training.padded import PaddedRows
from grpo.training.shared import SharedPrompts

log = logging.getLogger("grpo")

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Largest relative difference of hidden states between the two layouts: rounding is below, a sibling in sight above."""


def choose_layout(model: nn.Module, wanted: Literal["auto", "padded"] = "auto") -> Layout:
    """Padded rows where they are wanted. Else shared prompts, or padded rows with the reason said: another attention
    than SDPA was asked for, layers that look beside attention, or a first look at which the two layouts disagree."""
    if wanted == "padded":
        return PaddedRows()
    reason = reason_to_pad(model)
    if reason is None:
        return SharedPrompts()
    log.info("prompts are not shared between their completions (%s): padded rows, slower and as exact", reason)
    return PaddedRows()


def reason_to_pad(model: nn.Module) -> str | None:
    """Why this model cannot forward packed rows, or None."""
    attention = bare(model).config._attn_implementation
    if attention != PATH_ATTENTION:
        return f"attn_implementation is {attention}"
    if not causal_without_mask(model):
        return "the model has layers that are not attention"
    try:
        difference = layouts_differ_by(model)
    except (NotImplementedError, TypeError, ValueError, RuntimeError) as error:
        return f"{type(bare(model)).__name__} cannot forward a packed row: {error}"
    if not difference <= TOLERANCE.get(bare(model).dtype, TOLERANCE[torch.bfloat16]):
        return f"hidden states of a packed row differ by {difference:.2g} from padded rows"
    return None


@torch.no_grad()
def layouts_differ_by(model: nn.Module) -> float:
    """Relative L2 difference of the hidden states that predict, between the two layouts, on two small groups."""
    device = next(model.parameters()).device
    vocabulary = bare(model).config.get_text_config().vocab_size
    ids = [(7 * place * place + 3 * place + 1) % vocabulary for place in range(40)]
    samples = [
        Sample(str(start), tuple(ids[start : start + 6]), tuple(ids[end - length : end]), (0.0,) * length, 1.0)
        for start, end, length in ((0, 20, 5), (0, 40, 9), (9, 30, 4), (9, 36, 1))
    ]
    shared = SharedPrompts().build(samples, range(len(samples)), device)
    padded = PaddedRows().build(samples, shared.samples, device)
    theirs = _predicting(model, padded)
    return ((_predicting(model, shared) - theirs).norm() / theirs.norm()).item()


def _predicting(model: nn.Module, batch: MicroBatch) -> Tensor:
    hidden = hidden_states(model, batch.token_ids, batch.position_ids, None, batch.paths)
    return hidden.flatten(0, 1).index_select(0, batch.predicted_at).float()
