"""Decoder layers compiled one by one (regional torch.compile): they share their code, so one of each kind is compiled.

Attention over paths stays as it is: its loops over prompts would be compiled anew for every micro-batch. Lengths are
dynamic, so a micro-batch of another size needs no new code.
"""

import torch
from torch import nn

from grpo.errors import UserError
from grpo.models import path_attention
from grpo.models.head import bare, decoder_layers, hidden_states

CHECKED_TOKENS = 8
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""Largest relative difference of hidden states that is rounding."""


@torch.no_grad()
def compile_layers(model: nn.Module) -> None:
    """Every forward of `model` from now on goes through compiled layers.

    Raises UserError where the architecture has no layers of the usual kind, where they cannot be compiled, and where
    hidden states come out different.
    """
    from torch._dynamo.exc import TorchDynamoException

    layers = decoder_layers(model)
    if not layers:
        raise _off(f"{type(bare(model)).__name__} has no layers that can be compiled one by one")
    parameter = next(model.parameters())
    token_ids = (
        torch.arange(CHECKED_TOKENS, device=parameter.device)[None] % bare(model).config.get_text_config().vocab_size
    )
    plain = hidden_states(model, token_ids).float()
    path_attention.leave_uncompiled()
    for layer in layers:
        layer.compile(dynamic=True)
    try:
        difference = ((hidden_states(model, token_ids).float() - plain).norm() / plain.norm()).item()
    except TorchDynamoException as error:
        raise _off(f"the layers of {type(bare(model)).__name__} cannot be compiled: {error}") from error
    if not difference <= TOLERANCE.get(bare(model).dtype, TOLERANCE[torch.bfloat16]):
        raise _off(f"hidden states of compiled layers differ by {difference:.2g}")


def _off(message: str) -> UserError:
    return UserError(message, where="torch_compile", advice="switch it off")
