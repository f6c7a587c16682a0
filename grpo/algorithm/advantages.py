"""Verdicts to advantages: how much better than its siblings was each completion?

One group of four, one reward: scores 1, 0, 0, 0. Mean 0.25, unbiased std 0.5, so the advantages are
0.75 / 0.5001 = 1.4997 and three times -0.25 / 0.5001 = -0.4999.

Arithmetic is in Python floats with `math.fsum`, whose result does not depend on the order of its terms: the same
completions in another order get the same advantages to the last bit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from grpo.records import Completion, Group
from rewards.verdict import Verdict

EPSILON = 1e-4
"""Added to every std. TRL's value, so that the same rewards give the same advantages."""

Row = dict[str, float]
"""Scores of one judged completion by reward; a reward that does not apply has no entry."""


@dataclass(frozen=True, slots=True)
class GroupAdvantages:
    """One list a group, one entry a completion, in the order of the groups and of their completions.

    advantages: 0.0 where the reward is None.
    rewards: the weighted sum of scores, or None: not judged (see `group_advantages`).
    counted: whether the completion is trained on and in the denominators of the loss.
    """

    advantages: list[list[float]]
    rewards: list[list[float | None]]
    counted: list[list[bool]]


def group_advantages(
    groups: Sequence[Group],
    weights: Mapping[str, float],
    *,
    scale_rewards: Literal["group", "batch", "none"] = "group",
    baseline: Literal["mean", "leave_one_out"] = "mean",
    aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = "sum_then_normalize",
    keep_unrewarded: bool = False,
) -> GroupAdvantages:
    """Advantages of all completions of one rollout round.

    Which completions count. A completion that some reward of non-zero weight could not judge (`bad_reference`,
    `timeout`, `error`) is left out of everything: baseline, std of the group and of the batch; its reward is None and
    its advantage 0. So is one to which no weighted reward applies, since nothing was said about it; with
    `keep_unrewarded` (something else teaches, such as a teacher's log-probs) it is counted all the same. One reward
    that is `not_applicable` only drops its own term; the remaining weights are not rescaled (TRL's rule for None).

    sum_then_normalize: r = Σ_k w_k s_k, then A = (r - b) / (std + 1e-4).
        b: mean of the group (DeepSeekMath, arXiv 2402.03300 §4.1.2), or of the group without the completion itself
        (RLOO, arXiv 2402.14740). std: unbiased, of the `group`, of the `batch` (all groups together), or `none`: no
        division (Dr. GRPO, arXiv 2503.20783).
    normalize_then_sum: each reward is normalised within its group first, A_k = (s_k - mean) / (std_k + 1e-4), and
        Σ_k w_k A_k is normalised over the batch (GDPO, as TRL 1.16 computes it). That formula fixes baseline and scale:
        it goes with baseline="mean" and scale_rewards="group" alone.

    A completion without a judged sibling has advantage 0, and so has every completion of a group whose rewards are all
    equal (exactly 0, not rounding noise).

    Raises ValueError where verdicts and weights name different rewards, a score is not finite, or the options
    contradict each other.
    """
    found = [[_row(group, completion, verdicts, weights) for completion, verdicts in _pairs(group)] for group in groups]
    counted = [[row is not None and (bool(row) or keep_unrewarded) for row in group] for group in found]
    rows = [[row or None for row in group] for group in found]
    rewards = [[None if row is None else _weighted_sum(row, weights) for row in group] for group in rows]
    if aggregation == "normalize_then_sum":
        if baseline != "mean" or scale_rewards != "group":
            raise ValueError(
                "normalize_then_sum centres and scales each reward within its group and their sum over the batch: "
                f"baseline={baseline!r} with scale_rewards={scale_rewards!r} has no place in it, use 'mean' and 'group'"
            )
        return GroupAdvantages(_normalized_sums(rows, weights), rewards, counted)
    centred = [_centre(group, baseline) for group in rewards]
    return GroupAdvantages(_scale(centred, rewards, scale_rewards), rewards, counted)


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def unbiased_std(values: Sequence[float]) -> float:
    """Bessel-corrected standard deviation; 0.0 for fewer than two values or where all are equal."""
    if len(values) < 2 or min(values) == max(values):
        return 0.0
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def judged(rewards: Sequence[float | None]) -> list[float]:
    return [reward for reward in rewards if reward is not None]


def _pairs(group: Group) -> list[tuple[Completion, Mapping[str, Verdict]]]:
    if len(group.completions) != len(group.verdicts):
        counts = f"{len(group.completions)} completions with {len(group.verdicts)} sets of verdicts"
        raise ValueError(f"prompt {group.prompt.id}: {counts}")
    return list(zip(group.completions, group.verdicts, strict=True))


def _row(
    group: Group, completion: Completion, verdicts: Mapping[str, Verdict], weights: Mapping[str, float]
) -> Row | None:
    """Scores of the rewards that carry weight and apply, or None where one of them could not judge."""
    place = f"prompt {group.prompt.id}, sample {completion.sample}"
    if verdicts.keys() != weights.keys():
        raise ValueError(f"{place}: verdicts of {sorted(verdicts)} but weights for {sorted(weights)}")
    row: Row = {}
    for label, verdict in verdicts.items():
        if weights[label] == 0:
            continue  # watched, not trained on
        if verdict.unjudged:
            return None
        if verdict.score is None:
            continue
        if not math.isfinite(verdict.score):
            raise ValueError(f"{place}: reward {label!r} scored {verdict.score}, which is not a finite number")
        row[label] = verdict.score
    return row


def _weighted_sum(row: Row, weights: Mapping[str, float]) -> float:
    return math.fsum(weights[label] * score for label, score in row.items())


def _centre(rewards: Sequence[float | None], baseline: str) -> list[float]:
    known = judged(rewards)
    if len(known) < 2 or min(known) == max(known):
        return [0.0] * len(rewards)
    centre = mean(known)
    # r_i - mean of the others = (r_i - mean of all) · n / (n - 1)
    factor = len(known) / (len(known) - 1) if baseline == "leave_one_out" else 1.0
    return [0.0 if reward is None else (reward - centre) * factor for reward in rewards]


def _scale(centred: list[list[float]], rewards: list[list[float | None]], scale_rewards: str) -> list[list[float]]:
    if scale_rewards == "none":
        return centred
    batch_std = unbiased_std([reward for group in rewards for reward in judged(group)])
    scaled = []
    for group, values in zip(rewards, centred, strict=True):
        std = batch_std if scale_rewards == "batch" else unbiased_std(judged(group))
        scaled.append([value / (std + EPSILON) for value in values])
    return scaled


def _normalized_sums(rows: list[list[Row | None]], weights: Mapping[str, float]) -> list[list[float]]:
    sums = [_normalized_group(group, weights) for group in rows]
    known = [value for group in sums for value in judged(group)]
    if len(known) < 2 or min(known) == max(known):
        return [[0.0] * len(group) for group in sums]
    centre, std = mean(known), unbiased_std(known)
    return [[0.0 if value is None else (value - centre) / (std + EPSILON) for value in group] for group in sums]


def _normalized_group(rows: Sequence[Row | None], weights: Mapping[str, float]) -> list[float | None]:
    """Σ_k w_k (s_k - mean_k) / (std_k + 1e-4) of each completion; mean_k and std_k over the rows where k applies."""
    spread: dict[str, tuple[float, float]] = {}
    for label in weights:
        scores = [row[label] for row in rows if row is not None and label in row]
        if scores:
            # min = max: the mean itself may round away from the score
            centre = scores[0] if min(scores) == max(scores) else mean(scores)
            spread[label] = centre, unbiased_std(scores)
    return [
        None
        if row is None
        else math.fsum(
            weights[label] * (score - spread[label][0]) / (spread[label][1] + EPSILON) for label, score in row.items()
        )
        for row in rows
    ]
