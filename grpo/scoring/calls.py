"""What each kind of reward is given to judge by: one row, one group, or all rows of a step.

A row reward sees the row's columns, `prompt` as rendered text and `completion_ids`; a group reward the same of each
completion of a group, in columns; a function in TRL's convention `prompts` and `completions`, as messages where the
prompt was messages, `asked` (the row's own prompts, before template and examples) and every column as a list over all
rows of the step, in group order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grpo.records import Completion, Prompt
from grpo.scoring.sources import Source

STEP = "step"  # key in the pool of what is judged once a step
RESERVED = frozenset({"asked", "prompts", "completions", "completion_ids", "trainer_state", "log_metric", "log_extra"})
Rows = Sequence[tuple[Prompt, Completion]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call with several rows. key: its name in the pool, beside the reward's label. rows: (prompt id, sample) of
    each. kwargs: keywords in TRL's convention."""

    source: Source
    key: str
    rows: list[tuple[str, int]]
    kwargs: dict[str, Any]


def row_of(prompt: Prompt) -> dict[str, Any]:
    """What a row reward sees of a prompt: its columns, and the rendered text (a template may open `<think>`)."""
    return {**prompt.columns, "prompt": prompt.text}


def step_calls(sources: Sequence[Source], rows: Rows, trainer_state: object) -> list[Call]:
    """The calls that wait for the step's completions. `rows`: all of them, in group order; each source of rewards is
    given those that it judges."""
    calls: list[Call] = []
    for source in sources:
        own = [row for row in rows if source.judges(row[0])]
        if source.kind == "group":
            calls += [Call(source, of[0][0].id, _keys(of), _group_kwargs(of)) for of in _by_group(own)]
        elif source.kind != "row" and own:
            calls.append(Call(source, STEP, _keys(own), {**_batch_kwargs(own), "trainer_state": trainer_state}))
    return calls


def _keys(rows: Rows) -> list[tuple[str, int]]:
    return [(prompt.id, completion.sample) for prompt, completion in rows]


def _by_group(rows: Rows) -> list[Rows]:
    groups: dict[str, list[tuple[Prompt, Completion]]] = {}
    for prompt, completion in rows:
        groups.setdefault(prompt.id, []).append((prompt, completion))
    return list(groups.values())


def _group_kwargs(rows: Rows) -> dict[str, Any]:
    prompt = rows[0][0]
    shared = {**row_of(prompt), "prompt_id": prompt.id}
    return {
        **{name: [value] * len(rows) for name, value in shared.items() if name not in RESERVED},
        "completions": [completion.text for _, completion in rows],
        "completion_ids": [completion.token_ids for _, completion in rows],
    }


def _batch_kwargs(rows: Rows) -> dict[str, Any]:
    names = dict.fromkeys(name for prompt, _ in rows for name in prompt.columns)
    return {
        **{name: [p.columns.get(name) for p, _ in rows] for name in names if name not in RESERVED},
        "asked": [p.asked or p.text for p, _ in rows],
        "prompts": [p.text if p.messages is None else [dict(m) for m in p.messages] for p, _ in rows],
        "completions": [_as_the_prompt(p, c) for p, c in rows],
        "completion_ids": [list(c.token_ids) for _, c in rows],
    }


def _as_the_prompt(prompt: Prompt, completion: Completion) -> str | list[dict[str, str]]:
    return completion.text if prompt.messages is None else [{"role": "assistant", "content": completion.text}]
