"""The forward against each model's own logits, one sequence at a time."""

from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from grpo.models.head import causal_without_mask, check_head
from grpo.models.path_attention import NAME
from grpo.records import Sample
from grpo.training.forward import token_logprobs
from grpo.training.padded import PaddedRows
from tests.training.cases import policy_of

VOCABULARY = 104
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
WINDOW = {"sliding_window": 4}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "decoder_sparse_step": 1}
LATENT = {
    "head_dim": 8, "kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
    "v_head_dim": 16, "num_key_value_heads": 2, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 16, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "n_shared_experts": 1,
}  # fmt: skip
LINEAR = EXPERTS | {
    "layer_types": ["linear_attention", "full_attention"], "linear_num_value_heads": 2, "linear_num_key_heads": 2,
    "linear_key_head_dim": 8, "linear_value_head_dim": 8, "shared_expert_intermediate_size": 16,
}  # fmt: skip
MODELS = {
    "llama": {},
    "qwen2": WINDOW | {"use_sliding_window": True, "max_window_layers": 1},
    "qwen3": {},
    "mistral": WINDOW,
    "gemma2": WINDOW | {"final_logit_softcapping": 2.0, "attn_logit_softcapping": 0.5},
    "gemma3_text": WINDOW | {"layer_types": ["sliding_attention", "full_attention"]},
    "cohere": {"logit_scale": 0.3},
    "granite": {"logits_scaling": 3.0},
    "qwen3_moe": EXPERTS,
    "deepseek_v3": LATENT,
    "gpt_oss": WINDOW | {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_next": LINEAR,
}


def sample(prompt: int, completion: int) -> Sample:
    """Random tokens of the given lengths."""
    draw = Random(100 * prompt + completion)
    ids = tuple(draw.randrange(VOCABULARY) for _ in range(prompt + completion))
    return Sample("p", ids[:prompt], ids[prompt:], (0.0,) * completion, 1.0)


def alone(model: torch.nn.Module, row: Sample, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probs and entropies [C] from the model's own logits on one sequence."""
    ids = torch.tensor([[*row.prompt_ids, *row.completion_ids]])
    logits = model(input_ids=ids, use_cache=False).logits[0, len(row.prompt_ids) - 1 : -1]
    distribution = torch.distributions.Categorical(logits=logits.float() / temperature)
    return distribution.log_prob(torch.tensor(row.completion_ids)), distribution.entropy()


def random_model(architecture: str) -> torch.nn.Module:
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **SMALL | MODELS[architecture])
    attention = "eager" if architecture in ("gemma2", "gpt_oss") else "sdpa"  # SDPA has neither soft caps nor sinks
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=torch.float32).eval()
    for weight in model.parameters():  # away from the tiny first weights, at which every distribution is flat
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    for name, weight in model.named_parameters():
        if "sinks" in name:
            torch.nn.init.normal_(weight)
    return model


def install(model: torch.nn.Module) -> None:
    """What loading a policy does: our attention in place of SDPA."""
    model.set_attn_implementation(NAME)  # type: ignore[operator]


@pytest.mark.parametrize("architecture", MODELS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_ragged_rows_equal_each_sequence_alone(architecture: str, temperature: float) -> None:
    model = random_model(architecture)
    check_head(model)
    rows = [sample(3, 9), sample(7, 1), sample(1, 14)]
    with torch.no_grad():
        logprobs, entropies = token_logprobs(model, PaddedRows().build(rows, [0, 1, 2], "cpu"), temperature)
        expected_logprobs, expected_entropies = zip(*(alone(model, row, temperature) for row in rows), strict=True)
    assert (logprobs - torch.cat(expected_logprobs)).abs().max() < 2e-5
    assert (entropies - torch.cat(expected_entropies)).abs().max() < 2e-5


def test_only_layers_that_padding_could_reach_are_given_a_mask() -> None:
    assert causal_without_mask(random_model("gemma3_text"))
    assert not causal_without_mask(random_model("qwen3_next"))


def test_chunks_of_the_head_change_neither_values_nor_gradient(folder: Path) -> None:
    policy = policy_of(folder)
    batch = PaddedRows().build([sample(3, 9), sample(7, 5)], [0, 1], "cpu")
    outcomes = []
    for chunk_tokens in (1000, 4):
        policy.model.zero_grad()
        logprobs, _ = token_logprobs(policy.model, batch, 0.9, chunk_tokens=chunk_tokens)
        (logprobs * torch.linspace(-1, 1, 14)).sum().backward()
        gradient = torch.cat([weight.grad.flatten() for weight in policy.model.parameters()])
        outcomes.append((logprobs.detach(), gradient))
    (whole, whole_gradient), (chunked, chunked_gradient) = outcomes
    assert (whole - chunked).abs().max() < 1e-5
    assert (whole_gradient - chunked_gradient).norm() / whole_gradient.norm() < 1e-6


def test_logits_of_a_whole_microbatch_never_exist(folder: Path) -> None:
    policy = policy_of(folder)
    seen: list[int] = []
    policy.model.get_output_embeddings().register_forward_hook(lambda _, __, logits: seen.append(logits.shape[0]))
    token_logprobs(policy.model, PaddedRows().build([sample(20, 10), sample(5, 3)], [0, 1], "cpu"), 1.0, chunk_tokens=4)
    assert seen == [4, 4, 4, 1]
