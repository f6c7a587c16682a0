"""What a reward says of one completion.

"Wrong" and "could not judge" are different statements: a wrong answer is *scored* 0.0 and teaches the policy; a
reference that cannot be read, a deadline or a crash teaches nothing and must not look like a 0.
"""

from dataclasses import dataclass
from typing import Literal

Status = Literal["scored", "not_applicable", "bad_reference", "timeout", "error"]

UNJUDGED: frozenset[str] = frozenset({"bad_reference", "timeout", "error"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reward's judgement of one completion.

    status: `scored` (the only status with a score), `not_applicable` (this reward does not speak of this row: TRL's
        None, its weight drops out), or why it could not be judged: `bad_reference`, `timeout`, `error`.
    score: the unweighted reward, or None where the status is not `scored`.
    detail: what was compared with what, and which rule decided; for `error`, the worker's traceback.
    seconds: CPU seconds the judgement took in its worker.
    answer: the completion's final answer in a form in which equal answers are mostly equal texts, for a vote among
        completions (maj@k); None where the reward reads no answer, or found none.
    """

    status: Status
    score: float | None = None
    detail: str = ""
    seconds: float = 0.0
    answer: str | None = None

    def __post_init__(self) -> None:
        if (self.score is None) == (self.status == "scored"):
            raise ValueError(f"a verdict has a score exactly when it is scored, got {self.status} with {self.score}")

    @property
    def unjudged(self) -> bool:
        """True where the reward applies but could not be judged."""
        return self.status in UNJUDGED


def scored(score: float, detail: str = "", answer: str | None = None) -> Verdict:
    return Verdict("scored", float(score), detail, answer=answer)
