"""What a pool is given to judge, and by which reward."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewards.batch import BatchResult
from rewards.verdict import Verdict

WALL_GRACE = 10.0  # seconds that the wall-clock backstop allows beyond six times the CPU seconds


@dataclass(frozen=True, slots=True)
class RewardSpec:
    """A reward as a worker loads it (see `rewards.load`). seconds: deadline of one judgement in CPU seconds.
    pickled: a ready-made reward instead of one to be loaded."""

    use: str
    params: Mapping[str, Any] = field(default_factory=dict)
    base: Path = Path(".")
    seconds: float = 5.0
    pickled: bytes | None = None


@dataclass(slots=True)
class Task:
    """One thing to judge: a completion, or a batch in one call."""

    key: Hashable
    label: str
    message: bytes
    rows: int | None  # of a batch; None for one completion
    seconds: float
    tries: int = 0

    @property
    def wall(self) -> float:
        """Wall-clock backstop: generous, because a busy machine gives a worker a small share of a core."""
        return 6 * self.seconds + WALL_GRACE

    def failed(self, status: str, detail: str, seconds: float = 0.0) -> Verdict | BatchResult:
        verdict = Verdict(status, detail=detail, seconds=seconds)  # type: ignore[arg-type]
        return verdict if self.rows is None else BatchResult([verdict] * self.rows)
