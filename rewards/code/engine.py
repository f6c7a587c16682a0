"""What the judge asks of a place that runs candidates, here or at a service, and the ways in which that ends."""

from dataclasses import dataclass
from typing import Any, Protocol


class CandidateFailed(BaseException):
    """The candidate's own fault: it ended, used up its time, or answered with nonsense. Not an Exception, so that a
    test which expects one cannot take it for its own."""


class Unsendable(BaseException):
    """A test passes something that is no plain literal: the row cannot be judged this way."""


class SandboxLost(BaseException):
    """The sandbox was ended from outside or does not answer: nobody's fault here, and no verdict. Not an Exception,
    for the same reason."""


class CandidateError(Exception):
    """An exception that the candidate raised, of a class that only the candidate knows."""


@dataclass(slots=True)
class Budget:
    """What one completion may use. seconds: of CPU, all its calls or cases together. memory: bytes of address space.
    spent: seconds so far."""

    seconds: float
    memory: int
    spent: float = 0.0

    @property
    def left(self) -> float:
        return self.seconds - self.spent

    def used_up(self) -> str:
        return f"used up its {self.seconds:g} CPU seconds"


@dataclass(frozen=True, slots=True)
class Finished:
    """A script that was run. fault: why it does not count, or None."""

    stdout: bytes
    fault: str | None


class Session(Protocol):
    """A program whose functions can be called."""

    def call(self, target: str | int, path: list[str], args: tuple[Any, ...] | None, kwargs: dict[str, Any]) -> Any:
        """The value of `target` (a name, or a kept object's number), then the attributes of `path` (`()` calls), then,
        unless args is None, a call. Raises what the candidate raised (marked, see `judge`), CandidateFailed,
        Unsendable or SandboxLost."""

    def close(self) -> None:
        """End it. Raises CandidateFailed where it used more than its budget."""


class Engine(Protocol):
    """A place that runs candidates. `start` may raise RewardError where it cannot be used, with what to do."""

    def start(self) -> None: ...

    def open(self, sources: list[str], budget: Budget) -> Session:
        """Define the sources, one after the other, in one module. Raises as `Session.call` does."""

    def run(self, source: str, stdin: bytes, max_output: int, budget: Budget) -> Finished:
        """Run as a script. Raises SandboxLost."""
