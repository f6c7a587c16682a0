"""What the rewards of a step amount to, under TRL's metric names."""

from collections.abc import Sequence
from statistics import fmean, stdev

from grpo.records import Group


def reward_metrics(groups: Sequence[Group], labels: Sequence[str]) -> dict[str, float]:
    """Per reward: `rewards/NAME/mean` and `/std` (unbiased, as TRL's; 0 for one) of the scored completions, absent
    where none was scored; `/unjudged` and, by cause, `/timeout`, `/error`, `/bad_reference`, and `/not_applicable`:
    counts of completions."""
    metrics: dict[str, float] = {}
    for label in labels:
        verdicts = [verdict[label] for group in groups for verdict in group.verdicts]
        scores = [verdict.score for verdict in verdicts if verdict.score is not None]
        if scores:
            metrics[f"rewards/{label}/mean"] = fmean(scores)
            metrics[f"rewards/{label}/std"] = stdev(scores) if len(scores) > 1 else 0.0
        metrics[f"rewards/{label}/unjudged"] = float(sum(verdict.unjudged for verdict in verdicts))
        for status in ("timeout", "error", "bad_reference", "not_applicable"):
            metrics[f"rewards/{label}/{status}"] = float(sum(verdict.status == status for verdict in verdicts))
    return metrics
