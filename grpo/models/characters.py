"""A tokenizer of single characters, for models made on the spot: readable, complete for ASCII, no download.

    "<think>2+2" → ["<think>", "2", "+", "2"]

Markers of a conversation are special tokens; think and answer tags are ordinary tokens of their own, so that decoding
keeps them in the text that rewards judge.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TURN, END, PAD, UNKNOWN = "<|im_start|>", "<|im_end|>", "<|pad|>", "<|unk|>"
SPECIAL = (PAD, UNKNOWN, TURN, END)
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
CHARACTERS = "\n" + "".join(chr(code) for code in range(32, 127))

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def character_tokenizer() -> "PreTrainedTokenizerFast":
    """Newline, printable ASCII, four special tokens and four tags: 104 ids, the same in every run.

    Beginning of sequence is `<|im_start|>`, written by the chat template and never added by itself; end is
    `<|im_end|>`. Characters outside the set become the unknown token (Qwen2's tokenizer class leaves them out).
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    # Byte-level BPE without merges, because AutoTokenizer gives a qwen2-shaped model Qwen2's own byte-level splitting
    # whatever its files say: with this model underneath, both give the same single characters.
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *TAGS, *map(_in_byte_level, CHARACTERS)])}
    core = Tokenizer(models.BPE(vocabulary, merges=[], unk_token=UNKNOWN, fuse_unk=True))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    core.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=TURN,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )


def _in_byte_level(character: str) -> str:
    """Byte-level vocabularies write space and newline as visible characters; printable ASCII stands for itself."""
    return {" ": "Ġ", "\n": "Ċ"}.get(character, character)
