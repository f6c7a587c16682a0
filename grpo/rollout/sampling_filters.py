"""Temperature, min-p, top-k and top-p over a batch of logits, in vLLM's order, and one draw from what is left.

logits [B, V] → log-probs [B, V] of the distribution really sampled from; tokens outside it are -inf
"""

import torch
from torch import Tensor

from grpo.recipe.fields import Sampling


def sampling_logprobs(logits: Tensor, sampling: Sampling) -> Tensor:
    """Log-probs [B, V] (fp32) after temperature and filters, renormalised over the kept tokens.

    Temperature must be positive: at 0 take the argmax.
    """
    scaled = logits.float() / sampling.temperature
    if sampling.min_p > 0:
        logprobs = scaled.log_softmax(-1)
        bound = logprobs.amax(-1, keepdim=True) + torch.tensor(sampling.min_p).log()
        scaled = scaled.masked_fill(logprobs < bound, -torch.inf)
    if 0 < sampling.top_k < scaled.shape[-1]:
        kth = scaled.topk(sampling.top_k, dim=-1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < kth, -torch.inf)
    if sampling.top_p < 1:
        ascending, order = scaled.sort(dim=-1, stable=True)
        tail = ascending.softmax(-1).cumsum(-1) <= 1 - sampling.top_p
        tail[:, -1] = False  # the likeliest token stays, however small top_p is
        scaled = scaled.masked_fill(torch.zeros_like(tail).scatter(-1, order, tail), -torch.inf)
    return scaled.log_softmax(-1)


def draw(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """Token ids [B] by inversion of the cumulative distribution at uniforms [B] in [0, 1).

    One number a token makes a sample's tokens a function of its own seed, whatever its neighbours and the vocabulary.
    """
    cumulative = logprobs.double().exp().cumsum(-1)
    targets = uniforms.double()[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, targets, right=True).clamp_(max=logprobs.shape[-1] - 1)[:, 0]
