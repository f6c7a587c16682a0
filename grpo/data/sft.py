"""Rows to examples for supervised fine-tuning: tokens, and which of them are the completion's.

The prompt's tokens are those that RL would sample from, the completion's follow, then end-of-sequence: a policy
fine-tuned here meets the same prompt in the next stage, token for token. That is why TRL's trainer gets tokens from
us (`input_ids`, `completion_mask`) and not text to tokenise by its own rules.

A row has `prompt` and `completion` (text or one assistant message), or `messages` that end in the assistant's.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo.data.columns import missing_column
from grpo.data.prompts import encode, text_bos, too_long
from grpo.data.rows import load_rows, rows_from
from grpo.data.templates import checked_turns, open_template
from grpo.errors import UserError
from grpo.recipe.fields import Data

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Example:
    """prompt and completion as text; their tokens, the completion's with the end-of-sequence token."""

    prompt: str
    completion: str
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]


@dataclass(frozen=True)
class ExampleSet:
    """examples: in the order of the source. dropped: rows left out, by reason. longest: tokens of the longest one."""

    examples: list[Example]
    dropped: dict[str, int] = field(default_factory=dict)
    longest: int = 0


def load_examples(
    data: Data,
    tokenizer: Any,
    *,
    base: Path,
    where: str,
    seed: int,
    max_length: int | None = None,
    rows: Iterable[Mapping[str, Any]] | None = None,
) -> ExampleSet:
    """All examples of `data`. max_length: tokens of prompt and completion together; a longer row is an error, or is
    dropped and counted (`too_long: drop`), and never cut."""
    examples: list[Example] = []
    dropped: dict[str, int] = {}
    for example in stream_examples(
        data, tokenizer, base=base, where=where, seed=seed, max_length=max_length, rows=rows
    ):
        if isinstance(example, str):
            dropped[example] = dropped.get(example, 0) + 1
        else:
            examples.append(example)
    if not examples:
        message = f"no example is left: every one of {sum(dropped.values())} was longer than {max_length} tokens"
        raise UserError(message, where=f"{where}.too_long", advice="Raise max_length.")
    return ExampleSet(examples, dropped, max(len(e.prompt_ids) + len(e.completion_ids) for e in examples))


def stream_examples(
    data: Data,
    tokenizer: Any,
    *,
    base: Path,
    where: str,
    seed: int,
    max_length: int | None = None,
    rows: Iterable[Mapping[str, Any]] | None = None,
) -> Iterator[Example | str]:
    """Row by row, an example or the reason it is dropped."""
    source = load_rows(data, base=base, where=where, seed=seed) if rows is None else rows_from(rows, data, where=where)
    template = open_template(data, tokenizer, base=base, where=where)
    bos = text_bos(data, tokenizer)
    end = tokenizer.eos_token_id
    if end is None:
        raise UserError("the tokenizer has no end-of-sequence token, so no completion could end", where=where)
    for index, row in enumerate(source):
        place = source.place(index)
        prompt_row, completion = _parts(row, place, where)
        text = template(prompt_row, place).text
        text = text if text.startswith(bos) else bos + text
        prompt_ids, completion_ids = encode(tokenizer, text), encode(tokenizer, completion)
        if not prompt_ids or not completion_ids:
            empty = "completion" if prompt_ids else "prompt"
            raise UserError(f"{place}: the {empty} is empty", where=f"{where}.columns.{empty}")
        if completion_ids[-1] != end:
            completion_ids += (end,)
        length = len(prompt_ids) + len(completion_ids)
        if max_length is not None and length > max_length:
            if data.too_long == "fail":
                raise too_long(f"prompt and completion have {length} tokens", max_length, place, where)
            yield "too_long"
            continue
        yield Example(text, completion, prompt_ids, completion_ids)


def sft_dataset(
    sources: Mapping[str, Data], tokenizer: Any, *, base: Path, seed: int, max_length: int | None = None
) -> "datasets.Dataset":
    """The examples of all sources as a data set. sources: by their place in the recipe. Dropped rows are logged."""
    examples: list[Example] = []
    for where, data in sources.items():
        loaded = load_examples(data, tokenizer, base=base, where=where, seed=seed, max_length=max_length)
        for reason, count in loaded.dropped.items():
            logger.warning("%s: %d rows left out (%s)", where, count, reason)
        examples += loaded.examples
    return as_dataset(examples)


def as_dataset(examples: Sequence[Example]) -> "datasets.Dataset":
    """As TRL's SFTTrainer takes tokenised data: columns `input_ids` and `completion_mask` (1 on the tokens of the
    completion, end-of-sequence included; read with `completion_only_loss=True`)."""
    import datasets

    return datasets.Dataset.from_dict(
        {
            "input_ids": [[*e.prompt_ids, *e.completion_ids] for e in examples],
            "completion_mask": [[0] * len(e.prompt_ids) + [1] * len(e.completion_ids) for e in examples],
        }
    )


def _parts(row: Mapping[str, Any], place: str, where: str) -> tuple[Mapping[str, Any], str]:
    """The row with its `prompt`, and the completion's text."""
    if "completion" in row:
        turns = checked_turns(row["completion"], "completion", place, where)
        if isinstance(turns, str):
            return row, turns
        column = "completion"
    elif "messages" in row and "prompt" not in row:
        turns, column = checked_turns(row["messages"], "messages", place, where), "messages"
        if not isinstance(turns, str):
            row = {**row, "prompt": turns[:-1]}
    else:
        advice = "Rows need `prompt` and `completion`, or `messages` that end in the assistant's."
        raise missing_column("completion", row, place, where=f"{where}.columns", advice=advice)
    wanted = len(turns) == 1 if column == "completion" else len(turns) > 1
    if isinstance(turns, str) or not wanted or turns[-1]["role"] != "assistant":
        message = f"{place}: {column!r} must end in one assistant message after the prompt's"
        raise UserError(message, where=f"{where}.columns.{column}")
    return row, turns[-1]["content"]
