"""A micro-batch to the log-probs of its scored tokens.

Logits exist only for scored positions, and only for one chunk of them at a time: with a vocabulary of 152,000 the
logits of 8,192 tokens alone would be 4.6 GiB in fp32, several times that with their gradients.
"""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from grpo.algorithm.logprobs import selective_logprobs
from grpo.models.head import causal_without_mask, hidden_states, logits_of
from grpo.training.layout import MicroBatch

# Logits of one chunk, as fp32 (in bf16 they take half). Small chunks read the head's weights and write its gradient
# again and again, which on an accelerator costs more than it saves below some thousands of tokens.
CHUNK_BYTES = {"cpu": 256 * 2**20, "accelerator": 2**30}


def token_logprobs(
    model: nn.Module, batch: MicroBatch, temperature: float, *, chunk_tokens: int | None = None
) -> tuple[Tensor, Tensor]:
    """Log-probability [T] and entropy [T] of the batch's scored tokens under softmax(logits / temperature), fp32.

    The log-probability carries the gradient, the entropy none. chunk_tokens: see `scored`.
    """
    return scored(model, predicting_states(model, batch), batch.targets, temperature, chunk_tokens)


def predicting_states(model: nn.Module, batch: MicroBatch) -> Tensor:
    """[T, H] the hidden states that predict the batch's scored tokens."""
    mask = None if batch.paths is not None or causal_without_mask(model) else batch.attention_mask()
    hidden = hidden_states(model, batch.token_ids, batch.position_ids, mask, batch.paths)
    return hidden.flatten(0, 1).index_select(0, batch.predicted_at)


def scored(
    model: nn.Module, hidden_T: Tensor, targets_T: Tensor, temperature: float, chunk_tokens: int | None = None
) -> tuple[Tensor, Tensor]:
    """Log-probability [T] and entropy [T] of targets [T] from the hidden states [T, H] that predict them.

    chunk_tokens: tokens whose logits exist at once (default: by bytes). Where there are several chunks their logits are
    computed again in the backward pass.
    """

    def score(hidden_N: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
        return selective_logprobs(logits_of(model, hidden_N), targets_N, temperature)

    chunk_tokens = chunk_tokens or tokens_per_chunk(model, hidden_T.device)
    chunks = list(zip(hidden_T.split(chunk_tokens), targets_T.split(chunk_tokens), strict=True))
    recompute = torch.is_grad_enabled() and len(chunks) > 1
    parts = [
        checkpoint(score, *chunk, use_reentrant=False, preserve_rng_state=False) if recompute else score(*chunk)
        for chunk in chunks
    ]
    logprobs, entropies = zip(*parts, strict=True)
    return torch.cat(logprobs), torch.cat(entropies)


def tokens_per_chunk(model: nn.Module, device: torch.device) -> int:
    """Scored positions whose fp32 logits fit the chunk's bytes."""
    vocabulary = model.config.get_text_config().vocab_size  # type: ignore[union-attr,operator]
    return max(1, CHUNK_BYTES.get(device.type, CHUNK_BYTES["accelerator"]) // (4 * vocabulary))
