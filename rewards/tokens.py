"""A completion in tokens: what `length` and `repetition` look at instead of characters or words."""

from collections.abc import Mapping, Sequence
from typing import Any

from rewards.verdict import Verdict

NO_TOKENS = Verdict(
    "error",
    detail="this reward looks at tokens, and the row has no `completion_ids`: trainers give them; elsewhere, add a "
    "column of that name with each completion's list of token ids",
)


def token_ids(row: Mapping[str, Any]) -> Sequence[int] | None:
    """The completion's token ids, the end-of-sequence token among them where it was sampled; None without them."""
    ids = row.get("completion_ids")
    return ids if isinstance(ids, Sequence) and not isinstance(ids, str) else None
