"""Rows in and out: JSON lines, in order."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, TextIO

from rewards.errors import RewardError
from rewards.verdict import Verdict

SHOWN = 5  # bad lines that are told


def read_rows(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a file. Blank lines are left out. Raises RewardError, with line numbers counted from 1, where a line
    is not a JSON object with `completion` (text, or messages); all lines are looked at before anything is judged."""
    rows, faults = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _row(line)
        if isinstance(row, str):
            faults.append(f"line {number}: {row}")
        else:
            rows.append(row)
    if faults:
        more = f"\n  and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise RewardError(
            f"{len(faults)} of the input's lines cannot be read:\n  " + "\n  ".join(faults[:SHOWN]) + more
        )
    if not rows:
        raise RewardError("the input has no rows: give JSON lines with `completion` and the data columns on stdin")
    return rows


def _row(line: str) -> dict[str, Any] | str:
    """A row, or what is wrong with the line."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return f"no JSON: {error.msg} at column {error.colno}: {line.strip()[:60]!r}"
    except RecursionError:
        return "JSON nested too deep"
    if not isinstance(row, dict):
        return f"a JSON object is expected, got {line.strip()[:60]!r}"
    if "completion" not in row:
        return f"no column `completion`; the columns are {', '.join(row) or 'none'}"
    completion = row["completion"]
    if isinstance(completion, str) or (
        isinstance(completion, list) and all(isinstance(message, dict) for message in completion)
    ):
        return row
    return f"`completion` is text or a list of messages, got a {type(completion).__name__}"


def write_row(out: TextIO, row: Mapping[str, Any], verdicts: Mapping[str, Verdict], reward: float | None) -> None:
    """The row with `verdicts` and `reward`."""
    told = {label: asdict(verdict) for label, verdict in verdicts.items()}
    full = {**row, "verdicts": told, "reward": reward}
    line = json.dumps(full, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can write
        line = json.dumps(full)
    out.write(line + "\n")
