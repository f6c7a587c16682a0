"""Rows to filter, and what became of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from grpo.filters import Outcome, Row, apply
from grpo.recipe.fields import Reward
from grpo.recipe.filters import AnyFilter
from rewards.verdict import Verdict, scored

MATH = (Reward(use="math"),)


def row(
    completion: str = "so 4",
    *,
    prompt_id: str = "p",
    sample: int = 0,
    prompt: str = "2 + 2 =",
    tokens: int = 3,
    finish: str = "stop",
    **verdicts: float | Verdict,
) -> Row:
    """A completion; `math=1.0` or `math=Verdict(…)` is what a reward said of it."""
    judged = {label: said if isinstance(said, Verdict) else scored(said) for label, said in verdicts.items()}
    return Row(prompt_id, sample, prompt, completion, tokens, finish, judged)  # type: ignore[arg-type]


def group(*completions: str, prompt_id: str = "p", prompt: str = "2 + 2 =") -> list[Row]:
    """The completions of one prompt."""
    return [row(text, prompt_id=prompt_id, sample=i, prompt=prompt) for i, text in enumerate(completions)]


def filtered(rows: Sequence[Row], *filters: AnyFilter, texts: Mapping[str, Any] | None = None) -> Outcome:
    return apply(rows, filters, rewards=MATH, texts=texts)


def reasons(rows: Sequence[Row], *filters: AnyFilter, texts: Mapping[str, Any] | None = None) -> list[str | None]:
    """The reason for each row, None where it is kept."""
    said = {(r.row.prompt_id, r.row.sample): r.reason for r in filtered(rows, *filters, texts=texts).rejected}
    return [said.get((each.prompt_id, each.sample)) for each in rows]


def reason(one: Row, *filters: AnyFilter) -> str | None:
    return reasons([one], *filters)[0]
