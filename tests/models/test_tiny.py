from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpo.models.characters import character_tokenizer
from grpo.models.tiny import make_tiny
from grpo.recipe.fields import TinyModel

SMALL = {"layers": 2, "hidden_size": 64, "heads": 1, "kv_heads": 1, "intermediate_size": 96}
PRINTABLE = "".join(chr(code) for code in range(32, 127))


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_every_architecture_reads_and_writes_single_characters(architecture: str, tmp_path: Path) -> None:
    """Qwen2 is the trap: AutoTokenizer gives it Qwen2's own splitting whatever the folder says."""
    make_tiny(TinyModel(architecture=architecture, **SMALL), tmp_path / "tiny", seed=0)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    text = PRINTABLE + "\n \n<think>  2+2 </think>\n<answer>4</answer>"
    ids = tokenizer(text).input_ids
    assert ids == character_tokenizer()(text).input_ids
    assert len(ids) == len(PRINTABLE) + 3 + 1 + 6 + 1 + 1 + 1 + 1 + 1
    assert tokenizer.decode(ids) == tokenizer.decode(ids, skip_special_tokens=True) == text
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "tiny")
    assert model.config.vocab_size == len(tokenizer) == 104
    assert getattr(model.config, "head_dim", 64) == 64
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert torch.isfinite(model(torch.tensor([ids])).logits).all()


def test_markers_are_special_and_added_by_the_template_alone() -> None:
    tokenizer = character_tokenizer()
    messages = [{"role": "user", "content": "2+2"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>user\n2+2<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer(text).input_ids
    assert ids.count(tokenizer.bos_token_id) == 2 and ids.count(tokenizer.eos_token_id) == 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == "user\n2+2\nassistant\n"
    assert tokenizer("2").input_ids == [tokenizer.convert_tokens_to_ids("2")]
    assert tokenizer("é").input_ids == [tokenizer.unk_token_id]


def test_a_folder_that_is_there_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "stray.txt").write_text("of an earlier attempt")
    make_tiny(TinyModel(**SMALL), tmp_path / "tiny", seed=0)
    assert not (tmp_path / "tiny" / "stray.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_making_one_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    make_tiny(TinyModel(**SMALL), tmp_path / "tiny", seed=0)
    assert torch.equal(torch.rand(2), expected)
