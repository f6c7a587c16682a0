"""At most so many completions of each prompt, so that easy prompts do not crowd the training set."""

from collections.abc import Callable, Mapping, Sequence

from grpo.filters.rows import Row
from grpo.recipe.filters import PerPrompt

_ORDERS: Mapping[str, Callable[[Row], tuple[int, int]]] = {
    "shortest": lambda row: (row.tokens, row.sample),
    "longest": lambda row: (-row.tokens, row.sample),
    "first": lambda row: (row.sample, row.sample),
}


def per_prompt(settings: PerPrompt, rows: Sequence[Row]) -> list[str | None]:
    """Why each row is rejected, or None."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.prompt_id, []).append(place)
    order = _ORDERS[settings.prefer]
    reasons: list[str | None] = [None] * len(rows)
    for of_prompt in places.values():
        ranked = sorted(of_prompt, key=lambda place: order(rows[place]))
        for rank, place in enumerate(ranked[settings.at_most :], settings.at_most + 1):
            by = "sample" if settings.prefer == "first" else f"{settings.prefer} first ({rows[place].tokens:,} tokens)"
            reasons[place] = (
                f"number {rank} of the prompt's {len(ranked)} completions left, by {by}, at most {settings.at_most}"
            )
    return reasons
