"""The package's scorers, in a worker."""

import math
from collections.abc import Mapping
from typing import Any

from rewards import worker
from rewards.pool import Pool, RewardSpec
from rewards.protocol import RowReward
from rewards.reasoning import after_reasoning, last_answer_tag
from rewards.reasoning_gym.problems import digest, load_package, open_task, why_refused
from rewards.verdict import Verdict, scored

MAX_ANSWER = 20_000  # characters; the largest answers are grids


class ReasoningGymReward(RowReward):
    """The score that the task's own scorer gives to the answer: the last `<answer>…</answer>` after the reasoning, else
    all that stands there.

    partial: take scores between 0 and 1 as they are. Many scorers pay a little for any attempt, or for listing
        candidates around the right answer, so by default only a full score counts: 1.0, else 0.0.
    seconds: deadline in CPU seconds where this reward has to start a worker of its own.
    """

    name = "reasoning_gym"

    def __init__(self, partial: bool = False, seconds: float = 5.0) -> None:
        self.partial, self.seconds = partial, seconds
        self._pool: Pool | None = None
        load_package()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}

    def warm_up(self) -> None:
        load_package()

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        """Whether the row names a task that may be scored. That the problem can be made again shows in a worker."""
        missing = [name for name in ("task", "seed", "index") if row.get(name) is None]
        if missing:
            return f"the row has no column {', '.join(missing)}: make rows with rewards.reasoning_gym:rows"
        return why_refused(str(row["task"]))

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        fault = self.check_reference(row)
        if fault is not None:
            return Verdict("bad_reference", detail=fault)
        if not worker.serving:
            return self._in_a_worker(completion, row)
        dataset = open_task(str(row["task"]), int(row["seed"]), str(row.get("config") or "{}"))
        entry = dataset[int(row["index"])]
        if row.get("digest") not in (None, digest(entry["question"])):
            which = f"{row['task']} number {row['index']} of seed {row['seed']}"
            why = "the rows are of another version of reasoning-gym, make them again"
            return Verdict("bad_reference", detail=f"{which} is another problem here: {why}")
        tail = after_reasoning(completion)
        tagged = last_answer_tag(tail)
        answer = (tail if tagged is None else tagged).strip()
        if not answer or len(answer) > MAX_ANSWER:
            return scored(0.0, f"an answer longer than {MAX_ANSWER} characters" if answer else "no answer")
        score, said = _score(dataset, answer, entry)
        full = score if self.partial else float(score >= 1.0)
        return scored(full, f"{answer[:80]!r} against {str(entry['answer'])[:80]!r}: {row['task']}'s scorer {said}")

    def _in_a_worker(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        if self._pool is None:
            spec = RewardSpec("reasoning_gym", {"partial": self.partial}, seconds=self.seconds)
            self._pool = Pool({self.name: spec}, workers=1)
        self._pool.submit(0, self.name, completion, row)
        verdict = self._pool.collect()[(0, self.name)]
        assert isinstance(verdict, Verdict)
        return verdict


def _score(dataset: Any, answer: str, entry: Mapping[str, Any]) -> tuple[float, str]:
    """The scorer's score, and what it did. Some raise for text that they cannot read: that is a wrong answer, unless
    the scorer raises for the right one too."""
    try:
        score = float(dataset.score_answer(answer, entry))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        if entry["answer"] is not None:
            dataset.score_answer(entry["answer"], entry)
        return 0.0, f"cannot read it ({type(error).__name__}: {str(error)[:80]})"
    return (score if math.isfinite(score) else 0.0), f"says {score:g}"
