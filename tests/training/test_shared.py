"""Shared prompts and packed rows against each sequence alone and against padded rows: values and gradients."""

import logging
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import DynamicCache

from grpo.models.head import bare
from grpo.models.path_attention import NAME
from grpo.models.policy import Policy
from grpo.recipe.fields import Lora
from grpo.records import Sample
from grpo.training import choose
from grpo.training.choose import choose_layout, layouts_differ_by
from grpo.training.forward import token_logprobs
from grpo.training.layout import Layout
from grpo.training.padded import PaddedRows
from grpo.training.shared import SharedPrompts
from grpo.training.update import Updater
from tests.training.cases import policy_of, relative
from tests.training.test_forward import VOCABULARY, alone, install, random_model

PACKED = ["llama", "qwen2", "qwen3", "mistral", "gemma3_text", "cohere", "granite", "qwen3_moe", "deepseek_v3"]
PACKED += ["gemma2", "gpt_oss"]  # soft caps, sinks
Make = Callable[..., Updater]


def groups(shapes: list[tuple[int, list[int]]], seed: int = 0) -> list[Sample]:
    """Samples of prompts and completions of the given lengths, in an order that mixes the groups."""
    draw = Random(seed)
    samples = []
    for name, (prompt, completions) in enumerate(shapes):
        ids = tuple(draw.randrange(8, VOCABULARY) for _ in range(prompt))
        for length in completions:
            tokens = tuple(draw.randrange(8, VOCABULARY) for _ in range(length))
            sampled = tuple(draw.uniform(-6.0, -3.0) for _ in tokens)
            samples.append(Sample(f"p{name}", ids, tokens, sampled, draw.uniform(-2, 2)))
    draw.shuffle(samples)
    return samples


RAGGED = groups([(7, [9, 1, 14, 3]), (1, [2, 8]), (12, [5]), (3, [1, 1])])


def gradient(model: torch.nn.Module, layout: Layout, samples: list[Sample]) -> dict[str, Tensor]:
    """Of Σ weight · log-prob with a weight of its own for every token of every sample."""
    model.zero_grad()
    batch = layout.build(samples, range(len(samples)), "cpu")
    logprobs, _ = token_logprobs(model, batch, 0.9)
    weights = torch.cat([torch.linspace(-1, 1, len(samples[i].completion_ids)) * (1 + i) for i in batch.samples])
    (logprobs * weights).sum().backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("architecture", PACKED)
def test_a_packed_row_equals_each_sequence_alone(architecture: str) -> None:
    model = random_model(architecture)
    with torch.no_grad():
        expected = [alone(model, sample, 0.7) for sample in RAGGED]
    install(model)
    assert isinstance(choose_layout(model), SharedPrompts)
    batch = SharedPrompts().build(RAGGED, range(len(RAGGED)), "cpu")
    with torch.no_grad():
        logprobs, entropies = token_logprobs(model, batch, 0.7)
    assert (logprobs - torch.cat([expected[index][0] for index in batch.samples])).abs().max() < 5e-5
    assert (entropies - torch.cat([expected[index][1] for index in batch.samples])).abs().max() < 5e-5


@pytest.mark.parametrize("architecture", PACKED)
def test_gradients_of_both_layouts_are_equal(architecture: str) -> None:
    model = random_model(architecture)
    install(model)
    padded, shared = (gradient(model, layout, RAGGED) for layout in (PaddedRows(), SharedPrompts()))
    assert padded.keys() == shared.keys()
    assert relative(shared, padded) < 1e-5


def test_keys_and_values_of_the_prompt_reused_from_a_cache_give_the_same_gradient() -> None:
    """An oracle that knows neither layout: the prompt's cache, with its gradient, repeated for each completion."""
    model = random_model("llama")
    (prompt, lengths), weights = (7, [9, 9, 9]), torch.linspace(-1, 1, 27)
    samples = groups([(prompt, lengths)])
    cache = DynamicCache(config=model.config)
    first = model(input_ids=torch.tensor([samples[0].prompt_ids]), past_key_values=cache, use_cache=True).logits[:, -1:]
    cache.batch_repeat_interleave(len(samples))
    completions = torch.tensor([sample.completion_ids for sample in samples])
    rest = model(input_ids=completions[:, :-1], past_key_values=cache, use_cache=True).logits
    logits = torch.cat([first.expand(len(samples), -1, -1), rest], dim=1)
    expected = logits.log_softmax(-1).gather(-1, completions[..., None]).flatten()
    (expected * weights).sum().backward()
    theirs = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    install(model)
    logprobs, _ = token_logprobs(model, SharedPrompts().build(samples, range(3), "cpu"), 1.0)
    (logprobs * weights).sum().backward()
    ours = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    assert (logprobs - expected).abs().max() < 1e-5
    assert relative(ours, theirs) < 1e-5


@pytest.mark.parametrize("lora", [None, Lora(r=4)])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_updates_are_equal_with_adapters_and_with_checkpointed_layers(
    folder: Path, lora: Lora | None, checkpointing: bool
) -> None:
    policy = policy_of(folder, lora=lora, gradient_checkpointing=checkpointing)
    if lora is not None:  # new adapters add nothing, and half of their gradient is zero
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.1)
    padded, shared = (gradient(policy.model, layout, RAGGED) for layout in (PaddedRows(), SharedPrompts()))
    assert padded.keys() == shared.keys()
    assert relative(shared, padded) < 1e-5


SHAPES = st.lists(st.tuples(st.integers(1, 9), st.lists(st.integers(1, 12), min_size=1, max_size=4)), min_size=1)


@settings(max_examples=15, deadline=None)
@given(SHAPES.map(lambda shapes: shapes[:4]), st.integers(8, 80))
def test_the_gradient_does_not_depend_on_packing(
    tiny: Policy, shapes: list[tuple[int, list[int]]], budget: int
) -> None:
    samples, layout = groups(shapes), SharedPrompts()
    weights = [torch.linspace(-1, 1, len(sample.completion_ids)) * (1 + i) for i, sample in enumerate(samples)]
    tiny.model.zero_grad()
    for chosen in layout.microbatches(samples, layout.units(samples, range(len(samples)), 2), budget):
        batch = layout.build(samples, chosen, "cpu")
        (token_logprobs(tiny.model, batch, 0.9)[0] * torch.cat([weights[i] for i in batch.samples])).sum().backward()
    parts = {name: weight.grad.clone() for name, weight in tiny.model.named_parameters() if weight.grad is not None}
    assert relative(parts, one_by_one(tiny.model, samples, weights)) < 1e-5


def one_by_one(model: torch.nn.Module, samples: list[Sample], weights: list[Tensor]) -> dict[str, Tensor]:
    """Each sample in a padded row of its own."""
    model.zero_grad()
    for index, weight in enumerate(weights):
        batch = PaddedRows().build(samples, [index], "cpu")
        (token_logprobs(model, batch, 0.9)[0] * weight).sum().backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.fixture(scope="module")
def tiny(folder: Path) -> Policy:
    return policy_of(folder)


def test_what_cannot_be_packed_is_said_and_padded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="grpo")
    eager, linear = random_model("llama"), random_model("qwen3_next")
    eager.set_attn_implementation("eager")  # type: ignore[operator]
    install(linear)
    assert isinstance(choose_layout(eager), PaddedRows)
    assert isinstance(choose_layout(linear), PaddedRows)
    assert "attn_implementation is eager" in caplog.text
    assert "layers that are not attention" in caplog.text


def test_a_model_that_looks_at_siblings_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("llama")
    install(model)
    assert layouts_differ_by(model) < 1e-6
    attention = bare(model).model.layers[0].self_attn  # type: ignore[union-attr,operator]
    forward = attention.forward
    monkeypatch.setattr(attention, "forward", lambda *given, paths=None, **named: forward(*given, **named))
    assert layouts_differ_by(model) > choose.TOLERANCE[torch.bfloat16]
    assert isinstance(choose_layout(model), PaddedRows)


def test_a_packed_row_needs_path_attention() -> None:
    batch = SharedPrompts().build(RAGGED, range(len(RAGGED)), "cpu")
    with pytest.raises(RuntimeError, match="needs path attention, the model has sdpa"):
        token_logprobs(random_model("llama"), batch, 1.0)


def test_a_saved_policy_does_not_carry_the_name_of_our_attention(folder: Path, tmp_path: Path) -> None:
    policy = policy_of(folder)
    assert bare(policy.model).config._attn_implementation == NAME
    policy.save(tmp_path)
    assert NAME not in (tmp_path / "config.json").read_text()
