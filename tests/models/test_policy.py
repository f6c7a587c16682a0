import json
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from grpo.models.policy import load_policy
from grpo.models.tiny import make_tiny
from grpo.recipe.fields import Lora, Model, TinyModel

TINY = TinyModel(layers=2, hidden_size=64, heads=2, kv_heads=1, intermediate_size=96, max_position_embeddings=128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "model"
    make_tiny(TINY, path, seed=0)
    return path


def settings(folder: Path) -> Model:
    return Model(path=str(folder), dtype="float32")


def test_the_same_seed_makes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    make_tiny(TINY, tmp_path / "again", seed=0)
    make_tiny(TINY, tmp_path / "other", seed=1)

    def digest(place: Path) -> str:
        return sha256((place / "model.safetensors").read_bytes()).hexdigest()

    assert digest(tmp_path / "again") == digest(folder) != digest(tmp_path / "other")


def test_tags_stay_in_decoded_text_and_characters_are_single_tokens(folder: Path) -> None:
    tokenizer = load_policy(settings(folder), str(folder)).tokenizer
    text = "<think>2+2=4</think>\n<answer>4</answer>"
    ids = tokenizer(text).input_ids
    assert len(ids) == len("2+2=4\n4") + 4
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_end_of_sequence_is_the_generation_config_and_the_tokenizer(folder: Path, tmp_path: Path) -> None:
    policy = load_policy(settings(folder), str(folder))
    policy.save(tmp_path)
    config = json.loads((tmp_path / "generation_config.json").read_text())
    config["eos_token_id"] = [7, 9]
    (tmp_path / "generation_config.json").write_text(json.dumps(config))
    again = load_policy(settings(tmp_path), str(tmp_path))
    assert again.eos_ids == {7, 9, again.tokenizer.eos_token_id}


def test_merged_weights_are_those_of_peft(folder: Path) -> None:
    policy = load_policy(settings(folder), str(folder), lora=Lora(r=4, alpha=8))
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    ours = {name: tensor.clone() for name, tensor in policy.named_weights()}
    base = load_policy(settings(folder), str(folder))
    theirs = policy.model.merge_and_unload().state_dict()
    assert ours.keys() == dict(base.named_weights()).keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-6, atol=1e-6)
    changed = [name for name, tensor in base.named_weights() if not torch.equal(tensor, ours[name])]
    assert changed and all(".self_attn." in name or ".mlp." in name for name in changed)


def test_the_reference_of_lora_is_the_adapter_switched_off(folder: Path) -> None:
    base = load_policy(settings(folder), str(folder))
    policy = load_policy(settings(folder), str(folder), lora=Lora(r=4))
    with torch.no_grad():
        for name, weight in policy.model.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.1)
    ids = torch.tensor([[10, 20, 30]])
    with torch.no_grad(), policy.reference() as reference:
        assert torch.equal(reference(ids).logits, base.model(ids).logits)
    with torch.no_grad():
        assert not torch.equal(policy.model(ids).logits, base.model(ids).logits)


def test_a_frozen_copy_stays_where_it_was(folder: Path) -> None:
    policy = load_policy(settings(folder), str(folder))
    policy.load_reference(str(folder))
    ids = torch.tensor([[10, 20, 30]])
    with torch.no_grad():
        before = policy.model(ids).logits.clone()
        for weight in policy.model.parameters():
            weight.add_(0.1)
    with torch.no_grad(), policy.reference() as reference:
        assert torch.equal(reference(ids).logits, before)


def test_what_is_saved_is_a_plain_folder(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    policy = load_policy(settings(folder), str(folder), lora=Lora(r=2))
    policy.save(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer("1+1=", return_tensors="pt").input_ids
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, policy.model(ids).logits)
    assert (tmp_path / "adapter" / "adapter_config.json").exists()


def test_gradient_checkpointing_changes_nothing_but_memory(folder: Path) -> None:
    ids = torch.tensor([[10, 20, 30, 40]])
    gradients = []
    for checkpointing in (False, True):
        policy = load_policy(settings(folder), str(folder), gradient_checkpointing=checkpointing)
        policy.model(ids, use_cache=False).logits.square().sum().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in policy.model.parameters()]))
    torch.testing.assert_close(gradients[0], gradients[1])
