"""Token ids to the text that rewards and people read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def completion_text(tokenizer: "PreTrainedTokenizerBase", token_ids: Sequence[int], eos_ids: frozenset[int]) -> str:
    """The decoded completion without end-of-sequence and padding tokens.

    Other special tokens stay: where a model has `<think>` as a special token, `skip_special_tokens` would drop the
    tags that rewards look for. A stop string stays too, so that the text is what the token ids say.
    """
    dropped = eos_ids | {tokenizer.pad_token_id}
    kept = [token for token in token_ids if token not in dropped]
    text = tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text
