"""What a scoring run amounts to: the reward of a row, and the figures at the end."""

from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import fmean

from rewards.verdict import Verdict


def weighted_sum(verdicts: Mapping[str, Verdict], weights: Mapping[str, float]) -> float | None:
    """The reward of a row as a trainer sums it: weight times score of what was scored. None where a reward of non-zero
    weight could not judge, or none applies: the row would give no gradient."""
    counting = {label: verdict for label, verdict in verdicts.items() if weights[label] != 0}
    if any(verdict.unjudged for verdict in counting.values()):
        return None
    terms = [weights[label] * verdict.score for label, verdict in counting.items() if verdict.score is not None]
    return sum(terms) if terms else None


class Summary:
    """Counts, means and the first reason of each kind of failure, by reward. weights: by label."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = weights
        self.rows = 0
        self.unjudged = 0
        self._rewards: list[float] = []
        self._scores: dict[str, list[float]] = {label: [] for label in weights}
        self._statuses: dict[str, Counter[str]] = {label: Counter() for label in weights}
        self._seconds: dict[str, list[float]] = {label: [] for label in weights}
        self._reasons: dict[tuple[str, str], tuple[int, str]] = {}

    def add(self, verdicts: Mapping[str, Verdict], reward: float | None) -> None:
        """One row, in order."""
        self.rows += 1
        self.unjudged += any(verdict.unjudged and self.weights[label] != 0 for label, verdict in verdicts.items())
        if reward is not None:
            self._rewards.append(reward)
        for label, verdict in verdicts.items():
            self._statuses[label][verdict.status] += 1
            self._seconds[label].append(verdict.seconds)
            if verdict.score is not None:
                self._scores[label].append(verdict.score)
            if verdict.unjudged:
                self._reasons.setdefault((label, verdict.status), (self.rows, verdict.detail))

    def lines(self, seconds: float) -> Iterator[str]:
        """The summary. `seconds`: wall clock of the run."""
        yield f"{self.rows} rows in {seconds:.1f} s ({self.rows / max(seconds, 1e-9):.0f} a second)"
        for label, scores in self._scores.items():
            mean = (
                f"mean {fmean(scores):.4f}, {sum(score >= 1 for score in scores)} at 1 or more"
                if scores
                else "no score"
            )
            counts = ", ".join(f"{count} {status}" for status, count in sorted(self._statuses[label].items()))
            slowest = max(self._seconds[label], default=0.0)
            yield f"  {label} × {self.weights[label]:g}: {mean}; {counts}; slowest {slowest:.3f} CPU s"
        if self._rewards:
            yield f"  reward: mean {fmean(self._rewards):.4f} over {len(self._rewards)} rows"
        for (label, status), (row, detail) in self._reasons.items():
            last = detail.strip().splitlines()[-1] if detail.strip() else "no reason given"
            yield f"  first {status} of {label}, row {row}: {last}"
