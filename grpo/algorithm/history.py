"""Which prompts are not worth sampling again yet: those whose groups had no signal the last times (GRESO).

Zheng et al., "Act Only When It Pays" (arXiv 2506.02177): a prompt whose last z groups in a row had no signal is skipped
with probability 1 - p^z. There are two p, for prompts that are always solved and for those that never are; after each
round each moves by a step, down where more of the round's groups were of its kind than its target says, else up.

What it does to the estimate: as with dynamic sampling, prompts without a signal lose weight in the denominators, here
without having been sampled; every prompt keeps a chance of coming back, so none is lost that the policy grows into.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from grpo.algorithm.advantages import GroupAdvantages, judged, mean
from grpo.algorithm.selection import has_signal
from grpo.records import Group

SOLVED, UNSOLVED = "solved", "unsolved"
SHARES = {SOLVED: 1 / 3, UNSOLVED: 2 / 3}
"""Of the target share of groups without signal: prompts never solved may become solvable, solved ones stay."""


@dataclass(frozen=True, slots=True)
class History:
    """explore: p, by kind. flat: prompt id → (kind, groups in a row without a signal), of prompts that have any."""

    explore: Mapping[str, float]
    flat: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def beginning(cls, explore: float) -> "History":
        return cls({SOLVED: explore, UNSOLVED: explore})

    def skip_probability(self, prompt_id: str) -> float:
        if prompt_id not in self.flat:
            return 0.0
        kind, times = self.flat[prompt_id]
        return 1.0 - self.explore[kind] ** times


def learned(
    history: History, groups: Sequence[Group], advantages: GroupAdvantages, *, target: float, step: float
) -> History:
    """With the groups of another round. target: share of a round's groups without signal that is aimed at. step: how
    far p moves a round.

    A flat group counts as solved where its reward is above the round's mean, else as unsolved. Groups that could not be
    judged change nothing.
    """
    known = [reward for rewards in advantages.rewards for reward in judged(rewards)]
    if not known:
        return history
    middle, flat = mean(known), dict(history.flat)
    counts = {SOLVED: 0, UNSOLVED: 0}
    for group, values, rewards in zip(groups, advantages.advantages, advantages.rewards, strict=True):
        if has_signal(values):
            flat.pop(group.prompt.id, None)
        elif of_group := judged(rewards):
            kind = SOLVED if mean(of_group) > middle else UNSOLVED
            before, times = flat.get(group.prompt.id, (kind, 0))
            flat[group.prompt.id] = (kind, times + 1 if before == kind else 1)
            counts[kind] += 1
    explore = {
        kind: min(1.0, max(0.0, p + (-step if counts[kind] >= SHARES[kind] * target * len(groups) else step)))
        for kind, p in history.explore.items()
    }
    return replace(history, explore=explore, flat=flat)
