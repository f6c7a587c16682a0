"""What it takes to make a policy's prompts and to know its completions' ends, without its weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from grpo.errors import UserError
from grpo.models.pretrained import source_of
from grpo.recipe.fields import Model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Reads(Protocol):
    """What prompts are made with, and completions ended: a `Policy`, or a `Reading` of its folder."""

    @property
    def tokenizer(self) -> Any: ...

    @property
    def eos_ids(self) -> frozenset[int]: ...

    @property
    def context_length(self) -> int | None: ...


@dataclass(frozen=True)
class Reading:
    """eos_ids: every id that ends a sequence. context_length: longest sequence the model was made for, in tokens."""

    tokenizer: "PreTrainedTokenizerBase"
    eos_ids: frozenset[int]
    context_length: int | None


def open_reading(model: Model, path: str) -> Reading:
    """Of the policy at `path`, a `from_pretrained` folder or hub name. Raises UserError where it cannot be read."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    source = source_of(model, path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **source)
        config = AutoConfig.from_pretrained(path, **source)
        try:
            generation: Any = GenerationConfig.from_pretrained(path, revision=source["revision"])
        except OSError:  # not every model has the file
            generation = None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the policy at {path!r}: {error}", where="policy") from error
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    return Reading(tokenizer, end_of_sequence_ids(generation, tokenizer), context)


def end_of_sequence_ids(generation_config: Any, tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """Generation config ∪ tokenizer: chat models often end a turn with another token than a document."""
    generation = generation_config.eos_token_id if generation_config is not None else None
    listed = generation if isinstance(generation, list | tuple) else [generation]
    ids = frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)
    if not ids:
        raise UserError(
            "neither generation_config.json nor the tokenizer names an end-of-sequence token",
            where="model.path",
            advice="add eos_token_id to the model's generation_config.json",
        )
    return ids
