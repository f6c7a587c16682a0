"""The filters of a recipe in their order."""

from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from grpo.filters.checks import check
from grpo.filters.decontaminate import decontaminate
from grpo.filters.measures import measured
from grpo.filters.near_duplicates import near_duplicates
from grpo.filters.per_prompt import per_prompt
from grpo.filters.rows import Outcome, Rejected, Row
from grpo.filters.shape import code_blocks, finished, length, paragraphs
from grpo.filters.solved import correct, deciding, pass_rate
from grpo.recipe.fields import Reward
from grpo.recipe.filters import (
    KEPT,
    AnyFilter,
    CodeBlocks,
    Correct,
    Decontaminate,
    Finished,
    Format,
    Language,
    Length,
    NearDuplicates,
    Paragraphs,
    PassRate,
    PerPrompt,
    Repetition,
)

Texts = Mapping[str, Iterable[str]]


def apply(
    rows: Sequence[Row],
    filters: Sequence[AnyFilter],
    *,
    rewards: Sequence[Reward],
    texts: Texts | None = None,
    where: str = "keep",
) -> Outcome:
    """What the filters keep of the rows, and why the others are rejected: each by the first filter that rejects it.

    rows: *all* sampled completions of their prompts, judged by `rewards` and by `rewards_of(filters)`: `pass_rate`
    takes its share over them. Every other filter sees only what the earlier ones left.
    rewards: the stage's own. texts: what `decontaminate` compares with, by source; read once by each filter that names
    it. where: the recipe key of the filters, for messages.

    Raises UserError as `check` does and for a source of `decontaminate` without anything to look for; ValueError for
    rows that lack a verdict, the same completion twice, and a source that was not handed over.
    """
    check(filters, rewards, where)
    _once_each(rows)
    rejected: dict[int, Rejected] = {}
    counts: dict[str, int] = {}
    left = list(range(len(rows)))
    for number, each in enumerate(filters):
        here = f"{where}[{number}]"
        reasons = _reasons(each, [rows[place] for place in left], rows, rewards, texts or {}, here)
        judged = list(zip(left, reasons, strict=True))
        rejected |= {place: Rejected(rows[place], each.label, reason) for place, reason in judged if reason is not None}
        left = [place for place, reason in judged if reason is None]
        counts[each.label] = len(judged) - len(left)
    kept = [rows[place] for place in left]
    return Outcome(kept, [rejected[place] for place in sorted(rejected)], counts | {KEPT: len(kept)})


def _reasons(
    settings: AnyFilter,
    rows: Sequence[Row],
    sampled: Sequence[Row],
    rewards: Sequence[Reward],
    texts: Texts,
    where: str,
) -> list[str | None]:
    """Why one filter rejects each row that earlier ones left, or None where it stays."""
    match settings:
        case Finished():
            return [finished(row) for row in rows]
        case Correct():
            label = deciding(settings, rewards, where)
            return [correct(settings, label, row) for row in rows]
        case PassRate():
            return pass_rate(settings, deciding(settings, rewards, where), rows, sampled)
        case Length():
            return [length(settings, row) for row in rows]
        case Format() | Language() | Repetition():
            return [measured(settings, row) for row in rows]
        case Paragraphs():
            return [paragraphs(settings, row) for row in rows]
        case CodeBlocks():
            return [code_blocks(settings, row) for row in rows]
        case PerPrompt():
            return per_prompt(settings, rows)
        case NearDuplicates():
            return near_duplicates(settings, rows)
        case Decontaminate():
            return decontaminate(settings, rows, texts, where)
        case _:
            assert_never(settings)


def _once_each(rows: Sequence[Row]) -> None:
    seen: set[tuple[str, int]] = set()
    for row in rows:
        key = (row.prompt_id, row.sample)
        if key in seen:
            raise ValueError(f"sample {row.sample} of prompt {row.prompt_id} is there twice")
        seen.add(key)
