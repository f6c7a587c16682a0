"""Every completion of a step in one small file, for people who want to see what the figures mean.

    rollouts/step_000012.jsonl.gz
    {"advantage": 0.87, "completion": "<think>…", "completion_tokens": 43, "finish_reason": "stop", "prompt": "…",
     "prompt_id": "…", "prompt_tokens": 21, "reward": 1.2, "sample": 0, "solution": "42", "step": 12,
     "verdicts": {"math": {"detail": "…", "score": 1.0, "status": "scored"}}, "weight_version": 11}

No seconds in it (verdicts carry their own), and no time in the gzip header: two equal runs write equal bytes.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from grpo.atomic import remove_leftovers
from grpo.records import Completion, Group
from grpo.report.lines import write_compressed
from rewards.verdict import Verdict


class Advantages(Protocol):
    """What the algorithm says of the groups: one list a group, one entry a completion; None: could not be judged."""

    @property
    def advantages(self) -> Sequence[Sequence[float]]: ...

    @property
    def rewards(self) -> Sequence[Sequence[float | None]]: ...


def file_of(folder: Path, step: int) -> Path:
    return folder / f"step_{step:06d}.jsonl.gz"


def write(folder: Path, step: int, groups: Sequence[Group], advantages: Advantages | None) -> None:
    """The step's completions, group by group. `advantages` is None for an evaluation: there are none."""
    write_compressed(file_of(folder, step), entries(step, groups, advantages))


def read(path: Path) -> list[dict[str, Any]]:
    """The completions of one file, as `write` put them there."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).split(b"\n") if line]


def entries(step: int, groups: Sequence[Group], advantages: Advantages | None) -> Iterator[dict[str, Any]]:
    for place, group in enumerate(groups):
        for index, completion in enumerate(group.completions):
            entry = described(group, completion, group.verdicts[index] if group.verdicts else {})
            entry["step"] = step
            if advantages is not None:
                entry["reward"] = advantages.rewards[place][index]
                entry["advantage"] = advantages.advantages[place][index]
            yield entry


def described(group: Group, completion: Completion, verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """One completion beside its prompt and the reference, where the row's reference is text or a number."""
    entry: dict[str, Any] = {
        "prompt_id": group.prompt.id,
        "prompt": group.prompt.text,
        "prompt_tokens": len(group.prompt.token_ids),
        "sample": completion.sample,
        "completion": completion.text,
        "completion_tokens": len(completion.token_ids),
        "finish_reason": completion.finish_reason,
        "weight_version": completion.weight_version,
        "verdicts": {
            label: {"status": verdict.status, "score": verdict.score, "detail": verdict.detail}
            for label, verdict in verdicts.items()
        },
    }
    if group.prompt.source:
        entry["source"] = group.prompt.source
    solution = group.prompt.columns.get("solution")
    if isinstance(solution, str | int | float):
        entry["solution"] = solution
    return entry


def step_of(path: Path) -> int:
    return int(path.name.removeprefix("step_").split(".")[0])


def keep_until(folder: Path, step: int) -> None:
    """Removes the files of later steps and what a killed writer left."""
    if not folder.exists():
        return
    remove_leftovers(folder)
    for path in folder.glob("step_*.jsonl.gz"):
        if step_of(path) > step:
            path.unlink()


def keep_last(folder: Path, count: int) -> None:
    """Removes all but the files of the last `count` steps."""
    for path in sorted(folder.glob("step_*.jsonl.gz"), key=step_of)[:-count]:
        path.unlink()
