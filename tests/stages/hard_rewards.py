"""Rewards that go wrong on some completions, chosen by the completion's text so that a test can tell which."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.protocol import RowReward
from rewards.verdict import Verdict, scored


def lot(completion: str) -> int:
    """0 to 9, by the text alone."""
    return zlib.crc32(completion.encode()) % 10


class Steady(RowReward):
    """The share of digits; raises on a tenth of the completions, and never returns on another tenth."""

    name = "steady"

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        if lot(completion) == 0:
            raise ValueError("no luck with this one")
        while lot(completion) == 1:
            pass
        return scored(sum(map(str.isdigit, completion)) / max(len(completion), 1))


def half(completions: Sequence[str], **columns: Any) -> list[float | None]:
    """1.0, or None for half of the completions."""
    return [1.0 if lot(completion) % 2 else None for completion in completions]


def never(completions: Sequence[str], **columns: Any) -> list[float]:
    """Always raises."""
    raise ZeroDivisionError(f"nothing right about {len(completions)} completions")
