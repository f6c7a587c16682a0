"""A small decoder with random weights and a character tokenizer, written as a `from_pretrained` folder.

It exists so that a first run, and every test, needs no download.
"""

import logging
from pathlib import Path

import torch

from grpo.models.characters import character_tokenizer
from grpo.models.pretrained import save_pretrained
from grpo.recipe.fields import TinyModel
from grpo.seeds import derive_seed

log = logging.getLogger("grpo")

ENGINE_HEAD_SIZE = 32


def make_tiny(tiny: TinyModel, folder: Path, seed: int) -> None:
    """Writes model, generation configuration and tokenizer to `folder`, whole or not at all; weights in fp32.

    The same settings and seed give the same bytes. vLLM's CPU attention wants heads of a multiple of 32 (64 is what
    the recipes use); other sizes are said and work in transformers only.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    head_size = tiny.hidden_size // tiny.heads
    if head_size % ENGINE_HEAD_SIZE:
        log.warning("model.tiny: a head size of %d works with engine: transformers, not with vLLM on CPU", head_size)
    tokenizer = character_tokenizer()
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = AutoConfig.for_model(
        tiny.architecture,
        vocab_size=len(tokenizer),
        hidden_size=tiny.hidden_size,
        intermediate_size=tiny.intermediate_size,
        num_hidden_layers=tiny.layers,
        num_attention_heads=tiny.heads,
        num_key_value_heads=tiny.kv_heads,
        head_dim=head_size,
        max_position_embeddings=tiny.max_position_embeddings,
        tie_word_embeddings=tiny.tie_word_embeddings,
        initializer_range=tiny.initializer_range,
        **ends,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "tiny"))
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.generation_config = GenerationConfig(**ends)

    save_pretrained(model, tokenizer, folder)
