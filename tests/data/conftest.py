"""Tokenizers of the data tests: single characters, and one that adds BOS and EOS by itself."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from grpo.models.characters import character_tokenizer


@pytest.fixture(scope="session")
def characters() -> PreTrainedTokenizerFast:
    return character_tokenizer()


@pytest.fixture(scope="session")
def adds_bos() -> PreTrainedTokenizerFast:
    """Ids: <s> 0, </s> 1, <unk> 2, a 3, b 4, c 5. Called on "ab" it answers <s> a b </s>."""
    core = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3, "b": 4, "c": 5}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    core.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert tokenizer("ab").input_ids == [0, 3, 4, 1]
    return tokenizer
