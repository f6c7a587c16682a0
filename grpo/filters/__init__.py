"""Which sampled completions are kept for a training set: a recipe's `keep` applied to judged completions, in order.

    check(keep, rewards)                                         # before anything is sampled
    scorer = Scorer([*rewards, *rewards_of(keep)], …)            # the filters' own measures are judged with the rewards
    outcome = apply(rows, keep, rewards=rewards, texts=texts)
    outcome.counts                                               # {"finished": 12, "correct": 240, "kept": 132}
    outcome.rejected[0].reason                                   # "longest paragraph 1,204 characters, at most 800"

A filter decides by the figures of a row, never by judging model text itself: what takes a reward to say (form,
language, repetition) is a verdict like any other, from a worker with a deadline and a memory limit, because a text can
be made on which a regular expression takes hours. What is computed here takes time linear in the text.

Pure: no I/O, no state, neither torch nor transformers; the same rows give the same outcome.
"""

from grpo.filters.chain import apply
from grpo.filters.checks import check
from grpo.filters.measures import rewards_of
from grpo.filters.rows import Outcome, Rejected, Row

__all__ = ["Outcome", "Rejected", "Row", "apply", "check", "rewards_of"]
