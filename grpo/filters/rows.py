"""What goes into the filters and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grpo.records import FinishReason
from rewards.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """One sampled completion with all that a filter may look at.

    sample: index within the prompt's group. prompt: the rendered prompt. tokens: tokens of the completion, the
    end-of-sequence token among them where it was sampled. verdicts: by reward label, those of `rewards_of` among them.
    columns: the data row's other columns, carried along for the data set; no filter reads them.
    """

    prompt_id: str
    sample: int
    prompt: str
    completion: str
    tokens: int
    finish_reason: FinishReason
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)

    def verdict(self, label: str) -> Verdict:
        """The verdict of one reward. Raises ValueError where the row was not judged by it."""
        if label not in self.verdicts:
            raise ValueError(
                f"sample {self.sample} of prompt {self.prompt_id} has no verdict of {label!r} "
                f"(it has {', '.join(self.verdicts) or 'none'}): judge it by the rewards and by rewards_of(filters)"
            )
        return self.verdicts[label]


@dataclass(frozen=True, slots=True)
class Rejected:
    """filter: its name in the record. reason: one sentence with the figures; of the completion's text at most words."""

    row: Row
    filter: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """kept and rejected: together the rows, each in their order. counts: rejected by filter in the order of the recipe,
    then `kept`."""

    kept: list[Row]
    rejected: list[Rejected]
    counts: dict[str, int]
