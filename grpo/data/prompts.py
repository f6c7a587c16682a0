"""Rows to prompts: rendered, tokenised, with ids that are the same in every run.

prompts = load_prompts(data, tokenizer, base=folder, where="stages.zero.data", seed=0, max_prompt_tokens=512)
prompts.prompts[0].id            "5f0c8d3a91b2e467"
prompts.dropped                  {"too_long": 3}
"""

import datetime
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from grpo.data.rows import load_rows, rows_from
from grpo.data.templates import open_template, row_prompt
from grpo.errors import UserError
from grpo.recipe.fields import Data
from grpo.records import Prompt


@dataclass(frozen=True)
class PromptSet:
    """prompts: in the order of the source. dropped: rows left out, by reason. longest: tokens of the longest prompt."""

    prompts: list[Prompt]
    dropped: dict[str, int] = field(default_factory=dict)
    longest: int = 0

    def without(self, ids: Collection[str], reason: str = "unreadable") -> "PromptSet":
        """The others, with the left-out ones counted under `reason`. Raises UserError where none is left."""
        kept = [prompt for prompt in self.prompts if prompt.id not in ids]
        if not kept:
            raise UserError(f"no prompt is left: every one of {len(self.prompts)} was dropped ({reason})")
        dropped = self.dropped | {reason: self.dropped.get(reason, 0) + len(self.prompts) - len(kept)}
        return PromptSet(kept, dropped, max(len(prompt.token_ids) for prompt in kept))


def load_prompts(
    data: Data,
    tokenizer: Any,
    *,
    base: Path,
    where: str,
    seed: int,
    max_prompt_tokens: int | None = None,
    rows: Iterable[Mapping[str, Any]] | None = None,
) -> PromptSet:
    """All prompts of `data`. `rows` takes the source's place (from Python); slice and mapping apply to them too.

    Raises `UserError` naming file, row and column; with `too_long: drop`, also where no prompt at all is left.
    """
    prompts: list[Prompt] = []
    dropped: dict[str, int] = {}
    for prompt in stream_prompts(
        data, tokenizer, base=base, where=where, seed=seed, max_prompt_tokens=max_prompt_tokens, rows=rows
    ):
        if isinstance(prompt, str):
            dropped[prompt] = dropped.get(prompt, 0) + 1
        else:
            prompts.append(prompt)
    if not prompts:
        raise UserError(
            f"no prompt is left: every one of {sum(dropped.values())} was longer than {max_prompt_tokens} tokens",
            where=f"{where}.too_long",
            advice="Lower max_completion_length, or take a model with a longer context.",
        )
    return PromptSet(prompts, dropped, max(len(prompt.token_ids) for prompt in prompts))


def stream_prompts(
    data: Data,
    tokenizer: Any,
    *,
    base: Path,
    where: str,
    seed: int,
    max_prompt_tokens: int | None = None,
    rows: Iterable[Mapping[str, Any]] | None = None,
) -> Iterator[Prompt | str]:
    """Row by row, a prompt or the reason it is dropped: `load_prompts` for a caller that shows progress."""
    source = load_rows(data, base=base, where=where, seed=seed) if rows is None else rows_from(rows, data, where=where)
    template = open_template(data, tokenizer, base=base, where=where)
    bos = text_bos(data, tokenizer)
    seen: dict[str, int] = {}
    for index, row in enumerate(source):
        place = source.place(index)
        rendered = template(row, place)
        text = rendered.text if rendered.text.startswith(bos) else bos + rendered.text
        token_ids = encode(tokenizer, text)
        if not token_ids:
            raise UserError(f"{place}: the prompt is empty", where=f"{where}.columns.prompt")
        if max_prompt_tokens is not None and len(token_ids) > max_prompt_tokens:
            if data.too_long == "fail":
                raise too_long(f"the prompt has {len(token_ids)} tokens", max_prompt_tokens, place, where)
            yield "too_long"
            continue
        columns = {name: value for name, value in row.items() if name != "prompt"}
        identity = prompt_id(text, columns, place=place, where=where)
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] > 1:
            identity = f"{identity}-{seen[identity]}"  # the same row again: its n-th occurrence, in the order of rows
        yield Prompt(identity, text, token_ids, columns, rendered.messages, row_prompt(row, place, where))


def prompt_id(text: str, columns: Mapping[str, Any], *, place: str = "", where: str = "") -> str:
    """16 hexadecimal digits: a hash of the rendered text and the columns (their order does not matter)."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if hasattr(value, "tolist"):  # numpy's arrays and scalars
            return value.tolist()
        message = f"{place}: a column holds a {type(value).__name__}, which is not plain data"
        raise UserError(message, where=where, advice=f"Columns: {', '.join(columns)}.")

    content = json.dumps([text, columns], sort_keys=True, default=plain, ensure_ascii=True)
    return blake2b(content.encode(), digest_size=8).hexdigest()


def text_bos(data: Data, tokenizer: Any) -> str:
    """The beginning-of-sequence token to put before a text that lacks it, or "".

    A chat template writes its own. For plain text we do what the tokenizer does by itself, and no more: some tokenizers
    also append an end-of-sequence token, which a prompt must not have, so the tokenizer never adds tokens for us.
    """
    if data.template == "chat" or tokenizer.bos_token_id is None:
        return ""
    adds_it = tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]
    return tokenizer.bos_token if adds_it else ""


def encode(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Tokens of exactly this text, nothing added."""
    return tuple(tokenizer(text, add_special_tokens=False).input_ids)


def too_long(what: str, limit: int, place: str, where: str) -> UserError:
    """The error for a row that does not fit."""
    return UserError(
        f"{place}: {what}, and {limit} fit",
        where=f"{where}.too_long",
        advice="Set `too_long: drop` to leave such rows out (counted and shown), or make room.",
    )
