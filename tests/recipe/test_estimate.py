"""Sizes of models from files alone, and the estimates made of them."""

import json
import struct

import pytest

from grpo.models.characters import CHARACTERS, SPECIAL, TAGS
from grpo.recipe.estimate import memory, seconds
from grpo.recipe.estimate_text import duration, format_estimates, size
from grpo.recipe.fields import Model, TinyModel
from grpo.recipe.load import load_recipe
from grpo.recipe.machine import SLOW_BF16, Speeds, accelerator, cpu
from grpo.recipe.other_models import OtherModel, other_models
from grpo.recipe.plan import DataSizes
from grpo.recipe.shape import TINY_VOCABULARY, model_shape, shape_of_folder

from .recipes import BASE

SMOLLM2 = {
    "num_hidden_layers": 30,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}


def folder_with(path, config):
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_parameters_counted_from_a_configuration(tmp_path):
    shape = shape_of_folder(folder_with(tmp_path, SMOLLM2))
    assert (shape.parameters, shape.key_value_size, shape.context) == (134_515_008, 384, 8192)


def test_parameters_counted_from_safetensors_headers(tmp_path):
    header = {"__metadata__": {"format": "pt"}, "a": {"shape": [3, 5]}, "b": {"shape": []}}
    encoded = json.dumps(header).encode()
    (folder_with(tmp_path, SMOLLM2) / "model.safetensors").write_bytes(struct.pack("<Q", len(encoded)) + encoded)
    assert shape_of_folder(tmp_path).parameters == 16


def test_a_mixture_of_experts_is_not_guessed(tmp_path):
    assert shape_of_folder(folder_with(tmp_path, SMOLLM2 | {"num_experts": 64})) is None


def test_the_tiny_vocabulary_is_the_tokenizers(tmp_path):
    assert len(SPECIAL) + len(TAGS) + len(CHARACTERS) == TINY_VOCABULARY
    # 104 × 192 embeddings, tied; 4 layers of 4 × 192² + 3 × 192 × 512 + 2 × 192; one norm
    shape = model_shape(Model(tiny=TinyModel()), tmp_path)
    assert shape.parameters == 104 * 192 + 4 * (4 * 192**2 + 3 * 192 * 512 + 2 * 192) + 192


def test_a_hub_model_is_found_in_the_cache(tmp_path, monkeypatch):
    stored = tmp_path / "hub" / "models--org--name"
    folder_with(stored / "snapshots" / "c0ffee", SMOLLM2)
    (stored / "refs").mkdir()
    (stored / "refs" / "main").write_text("c0ffee")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    assert model_shape(Model(path="org/name"), tmp_path).layers == 30
    assert model_shape(Model(path="org/other"), tmp_path) is None


@pytest.fixture
def recipe(tmp_path):
    folder_with(tmp_path / "org" / "base-model", SMOLLM2)
    path = tmp_path / "first.yaml"
    path.write_text(BASE)

    def load(**zero):
        return load_recipe(str(path), [f"stages.zero.{key}={value}" for key, value in zero.items()])

    return load


def test_memory_by_part(recipe):
    loaded = recipe(**{"rollout.engine": "vllm", "beta": 0.04})
    shape = model_shape(loaded.recipe.model, loaded.base)
    parts = memory(loaded.recipe, "zero", shape)
    count = shape.parameters
    assert (parts["weights"], parts["masters, gradients, Adam"], parts["reference"]) == (
        2 * count,
        16 * count,
        2 * count,
    )
    assert parts["KV cache"] == 2**30
    # 8,192 tokens × 30 layers × 2 bytes × (16 × 576 + 4 × 1536), and three chunks of logits
    assert parts["activations"] == 8192 * 30 * 2 * (16 * 576 + 4 * 1536) + 3 * 256 * 2**20


def test_other_models_count_by_their_own_size(recipe, tmp_path):
    for name, layers in (("teacher", 60), ("judge", 10)):
        folder_with(tmp_path / name, SMOLLM2 | {"num_hidden_layers": layers})
    judge, gone = "{use: reward_model, params: {path: judge, dtype: float32}}", "{path: org/gone}"
    judges = f"[{judge}, {{use: reward_model, name: b, params: {gone}}}]"
    loaded = recipe(reference=str(tmp_path / "teacher"), beta=1, rewards=judges, steps=10)
    shape, teacher = (shape_of_folder(tmp_path / name) for name in ("org/base-model", "teacher"))
    others = other_models(loaded.recipe, "zero", loaded.base)
    judging = shape_of_folder(tmp_path / "judge").parameters
    assert others == {
        "reference": OtherModel(teacher.parameters, 2),
        "reward model judge": OtherModel(judging, 4),
        "reward model org/gone": None,
    }
    parts = memory(loaded.recipe, "zero", shape, others=others)
    assert (parts["reference"], parts["reward model judge"]) == (2 * teacher.parameters, 4 * judging)
    rates, known = Speeds(training=1e12, sampling=1e30, most_tokens=1e30), DataSizes(700, longest_prompt=50)
    spent = seconds(loaded.recipe, "zero", shape, known, rates, others)
    trained = 640 * (50 + loaded.recipe.stages["zero"].max_completion_length)
    assert spent == pytest.approx((6 * shape.parameters + 2 * teacher.parameters + 2 * judging) * trained / 1e12)
    page = format_estimates(loaded.recipe, loaded.base)
    assert "  zero: not counted, its config.json is not on this machine: reward model org/gone" in page


def test_on_a_card_the_engine_takes_its_share(recipe, monkeypatch):
    card = accelerator("Model: \t NVIDIA H100 80GB HBM3\nIRQ: 1")
    monkeypatch.setattr("grpo.recipe.estimate_text.this_machine", lambda dtype: card)
    loaded = recipe(**{"rollout.engine": "vllm"})
    page = format_estimates(loaded.recipe, loaded.base)
    assert "  zero: the engine takes 45% of the card's memory (rollout.gpu_memory_utilization)" in page
    assert "KV cache" not in page
    assert "KV cache" in format_estimates(recipe(**{"rollout.engine": "transformers"}).recipe, loaded.base)


def test_checkpointing_and_adapters_need_less(recipe):
    def parts(**settings):
        loaded = recipe(**settings)
        return memory(loaded.recipe, "zero", model_shape(loaded.recipe.model, loaded.base))

    assert parts(gradient_checkpointing="true")["activations"] < 0.3 * parts()["activations"]
    lora = parts(lora="{r: 8}", beta=0.1)
    assert "reference" not in lora
    # r × (in + out) for q, k, v, o, gate, up, down
    adapters = 30 * 8 * (2 * (576 + 576) + 2 * (576 + 192) + 3 * (576 + 1536))
    assert lora["masters, gradients, Adam"] == 16 * adapters


@pytest.mark.parametrize(
    ("settings", "bytes_each"),
    [
        ({"optim": "adamw_torch_8bit"}, 4 + 4 + 2 * (1 + 4 / 256)),  # a byte, and a share of a scale
        ({"stochastic_rounding": "true"}, 4 + 2 * 4),
        ({"optim": "adamw_torch_8bit", "stochastic_rounding": "true"}, 4 + 2 * (1 + 4 / 256)),
    ],
)
def test_what_learns_in_less_memory(recipe, settings, bytes_each):
    loaded = recipe(**settings)
    shape = model_shape(loaded.recipe.model, loaded.base)
    assert memory(loaded.recipe, "zero", shape)["masters, gradients, Adam"] == shape.parameters * bytes_each


def test_time(recipe):
    loaded = recipe(steps=10, max_completion_length=100)
    shape = model_shape(loaded.recipe.model, loaded.base)
    known = DataSizes(700, longest_prompt=50)
    spent = seconds(loaded.recipe, "zero", shape, known, Speeds(training=1e12, sampling=1e12, most_tokens=1e9))
    trained, sampled = 640 * 150, 640 * 100
    assert spent == pytest.approx(shape.parameters * (6 * trained + 2 * sampled) / 1e12)
    capped = seconds(loaded.recipe, "zero", shape, known, Speeds(training=1e12, sampling=1e12, most_tokens=100))
    assert capped == pytest.approx(shape.parameters * 6 * trained / 1e12 + 640)


def test_the_time_of_sampling_counts_who_judges(recipe, tmp_path):
    judge = folder_with(tmp_path / "judge", SMOLLM2 | {"num_hidden_layers": 10})
    rewards = f"[{{use: reward_model, params: {{path: {judge}}}}}]"
    rows = "data: {source: a.jsonl}, num_generations: 4, max_completion_length: 100"
    recipe()
    made = f"stages.made={{kind: sample, policy: base, {rows}, rewards: {rewards}}}"
    loaded = load_recipe(str(tmp_path / "first.yaml"), [made])
    shape = model_shape(loaded.recipe.model, loaded.base)
    others, rates = other_models(loaded.recipe, "made", loaded.base), Speeds(1e12, sampling=2e12, most_tokens=1e30)
    spent = seconds(loaded.recipe, "made", shape, DataSizes(10, longest_prompt=50), rates, others)
    judging = 2 * shape_of_folder(judge).parameters * 40 * 150 / 1e12
    assert spent == pytest.approx(2 * shape.parameters * 40 * 100 / 2e12 + judging)


def test_the_page_says_that_it_estimates(recipe, tmp_path):
    loaded = recipe()
    page = format_estimates(loaded.recipe, loaded.base)
    assert page.startswith("estimates (not measurements), 134.5 million parameters")
    assert "  warm: time unknown" in page
    (tmp_path / "org" / "base-model" / "config.json").unlink()
    assert format_estimates(loaded.recipe, loaded.base).startswith("estimates: unknown")


@pytest.mark.parametrize(
    ("amount", "text"),
    [(5, "5 seconds"), (130, "2 minutes"), (7200, "2 hours"), (9e5, "10 days"), (119, "119 seconds")],
)
def test_duration(amount, text):
    assert duration(amount) == text


def test_size():
    assert (size(3 * 2**29), size(5 * 2**20)) == ("1.5 GiB", "5 MiB")


def test_a_cpu_without_bf16_instructions_is_told_apart():
    fast, emulated, plain = (
        cpu(2, {"avx2", "amx_bf16"}, "bfloat16"),
        cpu(2, {"avx2"}, "bfloat16"),
        cpu(2, set(), "float32"),
    )
    assert fast.speeds.training > plain.speeds.training > emulated.speeds.training
    assert (fast.advice, emulated.advice, plain.advice) == (None, SLOW_BF16, None)
    assert cpu(4, set(), "float32").speeds.training == 2 * plain.speeds.training


def test_cards_by_name():
    known, other = accelerator("Model: \t NVIDIA H100 80GB HBM3\nIRQ: 1"), accelerator("Model: Something")
    assert (known.name, other.name, other.speeds) == ("NVIDIA H100 80GB HBM3", "Something", None)
    assert known.speeds.training > 1e14
