"""Does every row fit? Tokenizer and context of the recipe's model, without its weights."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.data.prompts import stream_prompts
from grpo.data.sft import stream_examples
from grpo.errors import UserError
from grpo.pipeline.base_policy import local_or_hub
from grpo.pipeline.preflight_progress import Progress
from grpo.recipe.fields import Data, Model


@dataclass(frozen=True)
class Lengths:
    """rows: that fit. longest: tokens of the longest, for `sft` with its completion. dropped: rows that do not fit."""

    rows: int
    longest_prompt: int
    longest: int
    mean: float
    dropped: int

    @property
    def described(self) -> str:
        kind = "prompt" if self.longest == self.longest_prompt else "sequence"
        return f"longest {kind} {self.longest:,} tokens, mean {self.mean:.0f}"


@dataclass(frozen=True)
class Reader:
    """tokenizer: of the recipe's model. context: tokens it takes at most, None where its configuration does not say."""

    tokenizer: Any
    context: int | None

    def room_for_prompts(self, completion: int, where: str) -> int | None:
        """Tokens left for a prompt beside the longest completion."""
        if self.context is None:
            return None
        if completion >= self.context:
            raise UserError(
                f"{completion} tokens of completion leave no room for a prompt: the model's context is {self.context}",
                where=where,
                advice="Lower it, or take a model with a longer context.",
            )
        return self.context - completion

    def room_for_sequences(self, max_length: int, where: str) -> int:
        """Tokens of prompt and completion together."""
        if self.context is not None and max_length > self.context:
            raise UserError(
                f"{max_length} given, and the model's context is {self.context}",
                where=where,
                advice=f"Set it to {self.context} or less.",
            )
        return max_length


@dataclass(frozen=True)
class Read:
    """What reading needs besides the data's settings."""

    reader: Reader
    base: Path
    seed: int
    show: Progress


def open_reader(model: Model, base: Path, where: str = "model") -> Reader:
    """Tokenizer and context. where: the key that names the model. Raises UserError where its folder or hub name cannot
    be read."""
    if model.tiny is not None:
        from grpo.models.characters import character_tokenizer

        return Reader(character_tokenizer(), model.tiny.max_position_embeddings)
    from transformers import AutoConfig, AutoTokenizer

    path = local_or_hub(str(model.path), base)
    source: dict[str, Any] = {"revision": model.revision or "main", "trust_remote_code": model.trust_remote_code}
    try:
        path = _base_of_adapter(Path(path)) or path
        config = AutoConfig.from_pretrained(path, **source)
        tokenizer = AutoTokenizer.from_pretrained(path, **source)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"cannot read the configuration and tokenizer of {path!r}: {_first_line(error)}",
            where=f"{where}.path",
            advice="Give a folder written by save_pretrained, or a hub name that this machine can reach.",
        ) from error
    return Reader(tokenizer, getattr(config.get_text_config(), "max_position_embeddings", None))


def prompt_lengths(
    data: Data,
    room: int | None,
    read: Read,
    *,
    where: str,
    given: Iterable[Mapping[str, Any]] | None = None,
    skip: frozenset[int] = frozenset(),
) -> Lengths:
    """Lengths of the prompts, without the rows at positions `skip`. given: rows from Python in place of the source's.

    Raises UserError for a prompt that does not fit, where the recipe does not drop it.
    """
    prompts = stream_prompts(
        data, read.reader.tokenizer, base=read.base, where=where, seed=read.seed, max_prompt_tokens=room, rows=given
    )
    counted = read.show.count(prompts, f"{where}: measuring prompts")
    used = (prompt for index, prompt in enumerate(counted) if index not in skip)
    lengths = [None if isinstance(prompt, str) else len(prompt.token_ids) for prompt in used]
    kept = [length for length in lengths if length is not None]
    return _lengths(kept, kept, len(lengths) - len(kept), room, where)


def sequence_lengths(data: Data, room: int, read: Read, *, where: str) -> Lengths:
    """Lengths of prompts with their completions, for `sft`."""
    examples = stream_examples(
        data, read.reader.tokenizer, base=read.base, where=where, seed=read.seed, max_length=room
    )
    counted = read.show.count(examples, f"{where}: measuring sequences")
    pairs = [None if isinstance(e, str) else (len(e.prompt_ids), len(e.completion_ids)) for e in counted]
    kept = [pair for pair in pairs if pair is not None]
    return _lengths([prompt for prompt, _ in kept], [sum(pair) for pair in kept], len(pairs) - len(kept), room, where)


def _lengths(prompts: list[int], whole: list[int], dropped: int, room: int | None, where: str) -> Lengths:
    if not whole:
        raise UserError(
            f"no row is left: every one of {dropped} is longer than {room} tokens",
            where=f"{where}.too_long",
            advice="Make room: a shorter completion, a longer context, shorter rows.",
        )
    return Lengths(len(whole), max(prompts), max(whole), sum(whole) / len(whole), dropped)


def _base_of_adapter(folder: Path) -> str | None:
    """The base model of a folder that holds an adapter alone."""
    adapter = folder / "adapter_config.json"
    if not adapter.is_file() or (folder / "config.json").is_file():
        return None
    return json.loads(adapter.read_text()).get("base_model_name_or_path")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
