"""Loading: what is refused, and adapters on their own."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from grpo.errors import UserError
from grpo.models.characters import character_tokenizer
from grpo.models.head import check_head
from grpo.models.policy import load_policy
from grpo.models.pretrained import load_pretrained
from grpo.models.reading import end_of_sequence_ids
from grpo.models.tiny import make_tiny
from grpo.recipe.fields import Lora, Model, TinyModel
from tests.training.test_forward import random_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "model"
    make_tiny(TinyModel(layers=2, hidden_size=64, heads=1, kv_heads=1, intermediate_size=96), path, seed=0)
    return path


def test_a_folder_that_is_not_there_is_a_users_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing")
    with pytest.raises(UserError, match="model.path: cannot load a model from .*nothing"):
        load_pretrained(Model(path=missing), missing)


def test_a_model_without_an_end_of_sequence_is_refused(folder: Path) -> None:
    model, tokenizer = load_pretrained(Model(path=str(folder)), str(folder))
    model.generation_config.eos_token_id = None
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="eos_token_id"):
        end_of_sequence_ids(model.generation_config, tokenizer)


def test_a_layer_that_lora_cannot_find_is_a_users_error(folder: Path) -> None:
    with pytest.raises(UserError, match="lora.target_modules"):
        load_policy(Model(path=str(folder)), str(folder), lora=Lora(target_modules=("no_such_layer",)))


def test_adapters_learn_in_fp32_on_a_bf16_base_and_start_alike(folder: Path) -> None:
    first, second = (load_policy(Model(path=str(folder)), str(folder), lora=Lora(r=2)) for _ in range(2))
    trained = {name: weight for name, weight in first.model.named_parameters() if weight.requires_grad}
    assert {weight.dtype for weight in trained.values()} == {torch.float32}
    assert first.dtype == torch.bfloat16
    others = dict(second.model.named_parameters())
    assert all(torch.equal(weight, others[name]) for name, weight in trained.items())


def test_an_adapter_on_its_own_is_merged_into_its_base(folder: Path, tmp_path: Path) -> None:
    settings = Model(path=str(folder), dtype="float32")
    policy = load_policy(settings, str(folder), lora=Lora(r=2))
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    policy.save(tmp_path)
    loaded = load_policy(settings, str(tmp_path / "adapter"))
    assert not loaded.adapted
    expected = dict(policy.named_weights())
    for name, tensor in loaded.named_weights():
        torch.testing.assert_close(tensor, expected[name])


def test_merged_bf16_weights_are_bit_equal_to_pefts(folder: Path) -> None:
    policy = load_policy(Model(path=str(folder)), str(folder), lora=Lora(r=4))
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    ours = {name: tensor.clone() for name, tensor in policy.named_weights()}
    theirs = policy.model.merge_and_unload().state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert theirs.keys() - ours.keys() == {"lm_head.weight"}  # tied to the embedding


def test_a_head_that_does_more_than_we_repeat_is_refused(folder: Path) -> None:
    policy = load_policy(Model(path=str(folder), dtype="float32"), str(folder))
    check_head(policy.model)
    policy.model.config.logits_scaling = 3.0  # we would divide, Llama's own forward does not
    with pytest.raises(UserError, match="differ from its own forward"):
        check_head(policy.model)


@pytest.fixture(scope="module")
def experts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("experts")
    config = AutoConfig.for_model(
        "qwen3_moe", vocab_size=104, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16,
        eos_token_id=3,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(path)
    character_tokenizer().save_pretrained(path)
    return path


@pytest.mark.parametrize("lora", [None, Lora(r=2)])
def test_experts_fused_in_memory_are_named_as_in_the_files(experts: Path, tmp_path: Path, lora: Lora | None) -> None:
    """The engine reads the files' names: one tensor an expert, not the fused one that transformers computes with."""
    policy = load_policy(Model(path=str(experts), dtype="float32"), str(experts), lora=lora)
    stored = load_file(experts / "model.safetensors")
    assert "model.layers.1.mlp.experts.3.down_proj.weight" in stored
    ours = dict(policy.named_weights())
    assert ours.keys() == stored.keys()
    assert all(torch.equal(tensor, stored[name]) for name, tensor in ours.items())
    policy.save(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    assert saved.keys() == stored.keys()
    assert all(torch.equal(tensor, stored[name]) for name, tensor in saved.items())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapted_experts_are_merged_as_peft_merges_them(experts: Path, tmp_path: Path, dtype: str) -> None:
    settings = Model.model_validate({"path": str(experts), "dtype": dtype})
    policy = load_policy(settings, str(experts), lora=Lora(r=2))
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    assert any("experts" in name and "lora_B" in name for name, _ in policy.model.named_parameters())
    policy.save(tmp_path)
    again = load_policy(settings, str(tmp_path))
    merged = dict(policy.model.merge_and_unload().named_parameters())
    for name, tensor in again.model.named_parameters():
        torch.testing.assert_close(tensor, merged[name], msg=name)


@pytest.mark.parametrize("architecture", ["gemma2", "gpt_oss"])
def test_soft_caps_and_sinks_are_computed_where_sdpa_would_leave_them_out(architecture: str, tmp_path: Path) -> None:
    eager = random_model(architecture)
    eager.save_pretrained(tmp_path)  # type: ignore[operator]
    character_tokenizer().save_pretrained(tmp_path)
    loaded, _ = load_pretrained(Model(path=str(tmp_path), dtype="float32"), str(tmp_path))
    ids = torch.arange(60).reshape(2, 30) % 50 + 8
    mask = torch.ones_like(ids)
    mask[1, 20:] = 0
    with torch.no_grad():
        ours, theirs = (model(ids, attention_mask=mask).logits for model in (loaded, eager))
    assert (ours - theirs)[mask.bool()].abs().max() < 1e-4
    words = {"max_new_tokens": 12, "do_sample": False, "attention_mask": torch.ones(1, 9, dtype=torch.long)}
    assert loaded.generate(ids[:1, :9], **words).tolist() == eager.generate(ids[:1, :9], **words).tolist()  # type: ignore
