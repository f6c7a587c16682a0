"""Files, columns, rewards and references, row by row, without a tokenizer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo.data.columns import missing_column
from grpo.data.rows import load_rows, rows_from
from grpo.data.templates import row_prompt
from grpo.errors import UserError
from grpo.pipeline.preflight_progress import Progress
from grpo.recipe.fields import Data, Reward
from grpo.records import Prompt
from grpo.scoring.scorer import Scorer, Unreadable

CHECKED_AT_ONCE = 256


def check_sequences(data: Data, *, base: Path, where: str, seed: int, show: Progress) -> None:
    """Raises UserError unless every row can be read and has a completion. `where`: of the data."""
    rows = load_rows(data, base=base, where=where, seed=seed)
    for index, row in enumerate(show.count(rows, f"{where}: reading rows")):
        if "completion" not in row and "messages" not in row:
            advice = "Rows need `prompt` and `completion`, or `messages` that end in the assistant's."
            raise missing_column("completion", row, rows.place(index), where=f"{where}.columns", advice=advice)


def check_rewards(
    rewards: Sequence[Reward], *, functions: Mapping[str, Callable[..., Any]], base: Path, where: str
) -> None:
    """Raises UserError for a reward that cannot be loaded. `where`: of the rewards."""
    scorer = Scorer(rewards, workers=1, base=base, functions=functions, where=where)
    try:
        scorer.check()
    finally:
        scorer.close()


def check_prompts(
    data: Data,
    rewards: Sequence[Reward],
    given: Iterable[Mapping[str, Any]] | None,
    *,
    functions: Mapping[str, Callable[..., Any]],
    base: Path,
    where: str,
    seed: int,
    show: Progress,
) -> frozenset[int]:
    """Positions of the rows whose reference a reward cannot read, where the recipe drops such rows.

    `where`: of the mapping that holds `data` and `rewards`. Raises UserError for a reward that cannot be loaded, a row
    without a prompt, and an unreadable reference where the recipe does not drop it.
    """
    scorer = Scorer(rewards, workers=1, base=base, functions=functions, where=f"{where}.rewards")
    try:
        scorer.check()
        place = f"{where}.data"
        if given is None:
            rows = load_rows(data, base=base, where=place, seed=seed)
        else:
            rows = rows_from(given, data, where=place)
        prompts = (
            _prompt(index, row, rows.place(index), place)
            for index, row in enumerate(show.count(rows, f"{place}: checking references"))
        )
        unreadable = [bad for some in _batches(prompts) for bad in scorer.check_references(some)]
        if unreadable and data.unreadable == "fail":
            raise _unreadable(unreadable, len(rows), rows.place(int(unreadable[0].prompt.id)), where)
        return frozenset(int(bad.prompt.id) for bad in unreadable)
    finally:
        scorer.close()


def _batches(prompts: Iterable[Prompt]) -> Iterable[list[Prompt]]:
    some: list[Prompt] = []
    for prompt in prompts:
        some.append(prompt)
        if len(some) == CHECKED_AT_ONCE:
            yield some
            some = []
    yield some


def _prompt(index: int, row: Mapping[str, Any], place: str, where: str) -> Prompt:
    """A row as rewards see it; its id here is its position, and its text is not rendered yet."""
    prompt = row_prompt(row, place, where)
    text = prompt if isinstance(prompt, str) else ""
    return Prompt(str(index), text, (), {name: value for name, value in row.items() if name != "prompt"})


def _unreadable(unreadable: Sequence[Unreadable], rows: int, place: str, where: str) -> UserError:
    first, count = unreadable[0], len({bad.prompt.id for bad in unreadable})
    shown = {name: _short(value) for name, value in first.prompt.columns.items()}
    advice = f"The row's columns: {shown}. "
    if count == rows:
        advice += f"Every row is like this: map the column that holds the reference ({where}.data.columns.solution)."
    else:
        advice += f"Mend the rows, or set {where}.data.unreadable: drop to leave them out (counted and shown)."
    return UserError(
        f"{place}: reward {first.label} cannot read the reference: {first.reason} ({count:,} of {rows:,} rows)",
        where=f"{where}.data",
        advice=advice,
    )


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else repr(value)
    return text[:77] + "…" if len(text) > 78 else value
