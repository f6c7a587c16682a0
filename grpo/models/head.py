"""A causal language model in two halves: tokens → hidden states, and chosen hidden states → logits.

Taking the halves apart lets the trainer compute logits only where a token is scored, and in chunks. What the model's
own forward does to logits after the matrix product is repeated here; `check_head` compares the two once per run.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from grpo.errors import UserError
from grpo.models.path_attention import NAME as PATH_ATTENTION
from grpo.models.path_attention import packed_row
from grpo.models.paths import Paths

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHECKED_TOKENS = 8
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
CAUSAL_LAYERS = {"full_attention", "sliding_attention", "chunked_attention"}


def bare(model: nn.Module) -> "PreTrainedModel":
    """The transformers model inside a peft wrapper (its adapted layers stay in place), or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """The model's layers of the kind that transformers repeats; none in an architecture that is built otherwise."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [module for module in bare(model).modules() if isinstance(module, GradientCheckpointingLayer)]


def hidden_states(
    model: nn.Module,
    token_ids: Tensor,
    position_ids: Tensor | None = None,
    attention_mask: Tensor | None = None,
    paths: Paths | None = None,
) -> Tensor:
    """Last hidden states [R, L, H] of token ids [R, L]. Never with a cache: a cache hides packed sequences' borders.

    paths: of a packed row, which needs path attention: another would let its sequences see each other (RuntimeError).
    """
    extra: dict[str, Any] = {} if position_ids is None else {"position_ids": position_ids}
    decoder = bare(model).base_model
    if paths is None:
        return decoder(input_ids=token_ids, attention_mask=attention_mask, use_cache=False, **extra).last_hidden_state
    if decoder.config._attn_implementation != PATH_ATTENTION:
        raise RuntimeError(f"a packed row needs path attention, the model has {decoder.config._attn_implementation}")
    with packed_row():
        return decoder(input_ids=token_ids, use_cache=False, paths=paths, **extra).last_hidden_state


def logits_of(model: nn.Module, hidden: Tensor) -> Tensor:
    """Logits [T, V] of hidden states [T, H], with the scales and soft cap of the model's configuration."""
    causal = bare(model)
    config = causal.config.get_text_config()
    logits = causal.get_output_embeddings()(hidden)
    if scale := getattr(config, "logit_scale", None):  # Cohere
        logits = logits * scale
    if scale := getattr(config, "logits_scaling", None):  # Granite
        logits = logits / scale
    if multiplier := getattr(config, "lm_head_multiplier", None):  # Falcon-H1
        logits = logits * multiplier
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma
        logits = torch.tanh(logits / cap) * cap
    return logits


def causal_without_mask(model: nn.Module) -> bool:
    """True where padding on the right cannot reach a real token, so that no attention mask is needed.

    Attention layers look left only. Recurrent and convolutional layers are given the mask: their kernels zero the
    padding with it, and some carry states across rows without.
    """
    layers = getattr(bare(model).config.get_text_config(), "layer_types", None)
    return layers is None or set(layers) <= CAUSAL_LAYERS


@torch.no_grad()
def check_head(model: nn.Module) -> None:
    """Compares the two halves with the model's own logits on a few tokens.

    Raises UserError where they differ: the architecture does something to its logits that we do not repeat.
    """
    causal = bare(model)
    parameter = next(causal.parameters())
    token_ids = torch.arange(CHECKED_TOKENS, device=parameter.device)[None] % causal.config.get_text_config().vocab_size
    ours = logits_of(model, hidden_states(model, token_ids)[0]).float().log_softmax(-1)
    theirs = causal(input_ids=token_ids, use_cache=False).logits[0].float().log_softmax(-1)
    difference = (ours - theirs).abs().max().item()
    if not difference <= TOLERANCE.get(parameter.dtype, TOLERANCE[torch.bfloat16]):
        raise UserError(
            f"log-probs of {type(causal).__name__} computed from its hidden states differ from its own forward by "
            f"{difference:.3g} nats",
            where="model",
            advice="this architecture scales its logits in a way that grpo does not know; please report it",
        )
