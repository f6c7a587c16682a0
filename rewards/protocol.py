"""What a reward is.

Three kinds meet in a run. A *row reward* (`RowReward`) judges one completion with its row of data and nothing else, so
it can be judged as soon as the completion is finished, in any process. A *group reward* (`GroupReward`) judges the
completions of one prompt together, for scores that compare them. Any other callable follows TRL's convention and sees a
whole batch: keywords only, `completions` as a list of texts or of message lists, each data column as a list, returning
one `float | None` a completion. Row and group rewards are such callables too: they run unchanged in TRL.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from rewards.verdict import Verdict

Messages = Sequence[Mapping[str, Any]]


def completion_text(completion: str | Messages) -> str:
    """The text a reward judges: of a conversation, what the last assistant message says."""
    if isinstance(completion, str):
        return completion
    for message in reversed(completion):
        if message.get("role", "assistant") == "assistant":
            content = message.get("content") or ""
            if isinstance(content, str):
                return content
            return "".join(part.get("text", "") for part in content)
    return ""


def prompt_tail(row: Mapping[str, Any]) -> str:
    """The end of the row's prompt, as far as it shows: the text, or what a last, unfinished assistant message holds."""
    prompt = row.get("prompt", "")
    if isinstance(prompt, str):
        return prompt
    last = prompt[-1] if prompt else {}
    return completion_text([last]) if last.get("role") == "assistant" else ""


class Judging:
    """What row and group rewards have in common; see those."""

    name: str = "reward"

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        """Why this row's reference cannot be read, or None where it can. Asked of every row before training."""
        return None

    def warm_up(self) -> None:
        """Slow imports, done by a worker before its first judgement so that no deadline counts them."""

    @property
    def __name__(self) -> str:
        """TRL names its metrics by this."""
        return self.name

    def judge(self, *, completions: Sequence[str | Messages], **columns: Any) -> list[Verdict]:
        """One verdict a completion. Lists as long as `completions` are columns; other keywords are not of the rows."""
        raise NotImplementedError

    def __call__(self, *, completions: Sequence[str | Messages], **columns: Any) -> list[float | None]:
        """TRL's convention: the score, or None where the reward does not apply or could not judge."""
        return [verdict.score for verdict in self.judge(completions=completions, **columns)]


class RowReward(Judging):
    """Base class of rewards that judge one completion alone. Subclasses give `name` and `judge_one`."""

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        """Judge one completion. `row` holds the data columns, `prompt` and, from a trainer, `completion_ids`."""
        raise NotImplementedError

    def judge(self, *, completions: Sequence[str | Messages], **columns: Any) -> list[Verdict]:
        rows = rows_of(len(completions), columns)
        return [self.judge_one(completion_text(c), row) for c, row in zip(completions, rows, strict=True)]


class GroupReward(Judging):
    """Base class of rewards that compare the completions of one prompt. Subclasses give `name` and `judge_group`.

    Our trainer hands over whole groups, one at a time. A trainer that hands over a batch (TRL) is expected to have
    whole groups in it: rows of the same group are those with the same `prompt_id` or, without one, the same prompt.
    """

    def judge_group(self, completions: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """One verdict a completion, in their order. `rows`: one a completion, as `RowReward.judge_one` sees them."""
        raise NotImplementedError

    def judge(self, *, completions: Sequence[str | Messages], **columns: Any) -> list[Verdict]:
        rows = rows_of(len(completions), columns)
        members: dict[Hashable, list[int]] = {}
        for index, row in enumerate(rows):
            members.setdefault(_group_of(row, self.name), []).append(index)
        verdicts: dict[int, Verdict] = {}
        for group in members.values():
            judged = self.judge_group([completion_text(completions[i]) for i in group], [rows[i] for i in group])
            verdicts.update(zip(group, judged, strict=True))
        return [verdicts[index] for index in range(len(rows))]


def rows_of(count: int, columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Columns to rows; TRL's `prompts` becomes each row's `prompt`."""
    lists = {name: column for name, column in columns.items() if isinstance(column, list | tuple)}
    kept = {"prompt" if name == "prompts" else name: column for name, column in lists.items() if len(column) == count}
    return [{name: column[i] for name, column in kept.items()} for i in range(count)]


def reference_of(row: Mapping[str, Any]) -> Any:
    """The reference answer: column `solution`, else `answer`; None where the row has neither."""
    solution = row.get("solution")
    return row.get("answer") if solution is None else solution


def _group_of(row: Mapping[str, Any], name: str) -> Hashable:
    """What the completions of one prompt, and no others, have in common."""
    if row.get("prompt_id") is not None:
        return ("id", repr(row["prompt_id"]))
    if row.get("prompt") is None:
        raise ValueError(f"{name} compares the completions of one prompt: give the column `prompt` or `prompt_id`")
    return ("prompt", repr(row["prompt"]))
