"""The decode loop of the transformers engine: one left-padded batch, from prompts to the last finished row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from grpo.recipe.fields import Sampling
from grpo.records import FinishReason
from grpo.rollout.sampling_filters import draw, sampling_logprobs

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(slots=True)
class Row:
    """One completion on its way. index: the caller's; finish_reason: None until it is finished."""

    index: int
    prompt: Sequence[int]
    seed: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None


@torch.no_grad()
def decode(
    model: "PreTrainedModel",
    rows: Sequence[Row],
    sampling: Sampling,
    tokenizer: "PreTrainedTokenizerBase",
    eos_ids: frozenset[int],
) -> Iterator[Row]:
    """Sample every row to its end; rows come out as they finish (in one step: in the order given).

    A finished row leaves the batch when half of the rows have finished: copying the cache costs a step or so.
    """
    from transformers import DynamicCache

    device = model.device
    uniforms = torch.stack([_uniforms(row.seed, sampling.max_completion_length) for row in rows]).to(device)
    tokens, mask = left_padded([row.prompt for row in rows], device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    active = list(rows)
    for step in range(sampling.max_completion_length):
        logits = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        sampled, logprobs = _sample(logits, sampling, uniforms[:, step])
        for row, token, logprob in zip(active, sampled.tolist(), logprobs.tolist(), strict=True):
            if row.finish_reason is None:
                row.tokens.append(token)
                row.logprobs.append(logprob)
                row.finish_reason = _finish_reason(row, sampling, tokenizer, eos_ids)
                if row.finish_reason is not None:
                    yield row
        going = [position for position, row in enumerate(active) if row.finish_reason is None]
        if not going:
            return
        if len(going) <= len(active) // 2:
            kept = torch.tensor(going, device=device)
            cache.batch_select_indices(kept)
            active = [active[position] for position in going]
            sampled, mask, positions, uniforms = (value[kept] for value in (sampled, mask, positions, uniforms))
        tokens = sampled[:, None]
        mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=-1)
        positions = positions[:, -1:] + 1


def _sample(logits: Tensor, sampling: Sampling, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens [B] and their log-probs [B] under the distribution sampled from."""
    if sampling.temperature == 0:
        return logits.argmax(-1), logits.new_zeros(len(logits), dtype=torch.float32)
    logprobs = sampling_logprobs(logits, sampling)
    tokens = draw(logprobs, uniforms)
    return tokens, logprobs.gather(-1, tokens[:, None])[:, 0]


def _uniforms(seed: int, count: int) -> Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))


def left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask [B, longest]; the padding id is never attended to, so 0 serves."""
    longest = max(map(len, prompts))
    tokens = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    mask = torch.arange(longest, device=device) >= longest - lengths[:, None]
    return tokens, mask.long()


def _finish_reason(
    row: Row, sampling: Sampling, tokenizer: "PreTrainedTokenizerBase", eos_ids: frozenset[int]
) -> FinishReason | None:
    if row.tokens[-1] in eos_ids or (sampling.stop and _stopped(row.tokens, sampling.stop, tokenizer)):
        return "stop"
    return "length" if len(row.tokens) == sampling.max_completion_length else None


def _stopped(tokens: Sequence[int], stops: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> bool:
    """True where a stop string ends in the last token: earlier ones would have stopped earlier.

    As many tokens as the longest stop string has characters can hold it, and some more in case tokens decode to
    nothing.
    """
    tail = tokens[-(max(map(len, stops)) + 8) :]
    text = tokenizer.decode(tail, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return any(stop in text for stop in stops)
