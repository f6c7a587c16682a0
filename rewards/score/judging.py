"""Rows to verdicts, in the pool: row rewards one by one, group rewards a group at a time, TRL's functions at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rewards.batch import BatchResult
from rewards.load import is_group_reward, is_row_reward, load_reward
from rewards.pool import Pool, RewardSpec
from rewards.protocol import completion_text
from rewards.score.spec import ScoreSpec
from rewards.verdict import Verdict

CHUNK = 200  # rows that are judged before the next are sent: what bounds the queue, and how often progress shows


def judge_rows(
    rows: Sequence[dict[str, Any]], specs: Sequence[ScoreSpec], workers: int, seconds: float, base: Path
) -> Iterator[dict[str, Verdict]]:
    """Verdicts by label for each row, in order. Files of rewards are relative to `base`. Raises RewardError for a
    reward that cannot be loaded, before anything is judged."""
    rewards = {spec.label: load_reward(spec.use, spec.params, base) for spec in specs}
    whole = [label for label, reward in rewards.items() if not is_row_reward(reward)]
    pooled = {spec.label: RewardSpec(spec.use, spec.params, base, seconds) for spec in specs}
    with Pool(pooled, workers) as pool:
        # A group, or what a batch function compares, may lie anywhere in the input: these see all of it.
        at_once = {label: _judge_whole(pool, label, rewards[label], rows) for label in whole}
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            for index, row in enumerate(chunk):
                for label in rewards:
                    if label not in at_once:
                        columns = {name: value for name, value in row.items() if name != "completion"}
                        pool.submit(index, label, completion_text(row["completion"]), columns)
            judged = pool.collect()
            for index in range(len(chunk)):
                yield {
                    label: at_once[label][start + index] if label in at_once else _verdict(judged[(index, label)])
                    for label in rewards
                }


def _verdict(result: Verdict | BatchResult) -> Verdict:
    assert isinstance(result, Verdict)
    return result


def _judge_whole(
    pool: Pool, label: str, reward: Callable[..., Any], rows: Sequence[Mapping[str, Any]]
) -> list[Verdict]:
    """All rows by a reward that sees several: a group reward group by group, any other in one call."""
    members = _groups(rows) if is_group_reward(reward) else [list(range(len(rows)))]
    for key, group in enumerate(members):
        pool.submit_batch(key, label, _columns([rows[index] for index in group]))
    results = pool.collect()
    verdicts: dict[int, Verdict] = {}
    for key, group in enumerate(members):
        batch = results[(key, label)]
        assert isinstance(batch, BatchResult)
        verdicts.update(zip(group, batch.verdicts, strict=True))
    return [verdicts[index] for index in range(len(rows))]


def _groups(rows: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Indices of the rows of each prompt."""
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(repr(row.get("prompt_id", row.get("prompt"))), []).append(index)
    return list(groups.values())


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows in TRL's convention: `completions`, `prompts`, and each other column as a list."""
    names = dict.fromkeys(name for row in rows for name in row)
    plural = {"completion": "completions", "prompt": "prompts"}
    return {plural.get(name, name): [row.get(name) for row in rows] for name in names}
