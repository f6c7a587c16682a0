"""Accuracy on held-out prompts: pass@1 over several samples with its 95 % interval, pass@k, maj@k."""

import math
from collections import Counter
from collections.abc import Sequence

from grpo.records import Group
from rewards.verdict import Verdict

Z_95 = 1.959964  # two-sided 95 % quantile of the normal distribution


def accuracy(groups: Sequence[Group], label: str) -> dict[str, float]:
    """pass@1 is the mean over prompts of the share of correct samples; its interval is the normal one over prompts
    (samples of one prompt are not independent). A completion is correct where its score is at least 1; prompts with an
    unjudged completion are left out and counted.

    Returns `pass@1`, `pass@1_low`, `pass@1_high`, `pass@k` for k = samples a prompt, `unjudged`; and where the reward
    reads final answers `maj@k`: the share of prompts whose most frequent answer is correct.
    """
    shares: list[float] = []
    votes: list[bool] = []
    voted = False
    left_out = 0
    for group in groups:
        verdicts = [verdicts[label] for verdicts in group.verdicts]
        if any(verdict.score is None for verdict in verdicts):
            left_out += 1
            continue
        shares.append(sum(map(_correct, verdicts)) / len(verdicts))
        votes.append(majority_is_correct(verdicts))
        voted |= any(verdict.answer is not None for verdict in verdicts)
    if not shares:
        return {"unjudged": float(left_out)}
    mean = sum(shares) / len(shares)
    spread = math.sqrt(sum((share - mean) ** 2 for share in shares) / max(1, len(shares) - 1))
    half = Z_95 * spread / math.sqrt(len(shares))
    samples = max(len(group.completions) for group in groups)
    metrics = {
        "pass@1": mean,
        "pass@1_low": max(0.0, mean - half),
        "pass@1_high": min(1.0, mean + half),
        "unjudged": float(left_out),
    }
    if samples > 1:
        metrics[f"pass@{samples}"] = sum(share > 0 for share in shares) / len(shares)
        if voted:
            metrics[f"maj@{samples}"] = sum(votes) / len(votes)
    return metrics


def majority_is_correct(verdicts: Sequence[Verdict]) -> bool:
    """Self-consistency (arXiv 2203.11171): the most frequent answer, of equally frequent ones the first given; what has
    no answer does not vote."""
    frequent = Counter(verdict.answer for verdict in verdicts if verdict.answer is not None).most_common(1)
    return bool(frequent) and _correct(next(verdict for verdict in verdicts if verdict.answer == frequent[0][0]))


def _correct(verdict: Verdict) -> bool:
    return verdict.score is not None and verdict.score >= 1
