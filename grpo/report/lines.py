"""JSON lines that two equal runs write byte for byte alike: sorted keys, shortest float text, no times in them.

    {"kl": 0.0012, "reward": 0.53125, "step": 12}

JSON has no NaN and no infinity: a figure that could not be measured is null, an infinite one the text "inf" or "-inf".
"""

import gzip
import json
import math
import os
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from grpo.atomic import write_atomic
from grpo.errors import UserError


def plain(value: Any) -> Any:
    """`value` as JSON has it: numbers of any library become int or float; NaN becomes None."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        if math.isnan(number):
            return None
        return number if math.isfinite(number) else str(number)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} does not belong in a record: {value!r}")


def write_compressed(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """A gzip of one line an entry, whole or not at all; no time in its header. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, gzip.compress(b"".join(map(encode, entries)), compresslevel=6, mtime=0))


def encode(entry: Mapping[str, Any]) -> bytes:
    """One line, newline included."""
    return (json.dumps(plain(entry), sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def append(path: Path, entry: Mapping[str, Any]) -> None:
    """Adds one line in one write and flushes it to the disk: a checkpoint must never be newer than the lines before."""
    with open(path, "ab") as file:
        file.write(encode(entry))
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[dict[str, Any]]:
    """All whole lines; none where there is no file. A last line cut short by a kill is left out.

    Raises UserError for a broken line elsewhere: something other than a kill has been at the file.
    """
    if not path.exists():
        return []
    *lines, rest = path.read_bytes().split(b"\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except ValueError as error:
            raise UserError(
                f"line {number} is not JSON ({error})",
                where=str(path),
                advice="restore the file, or move the run folder away to start anew",
            ) from error
    return entries


def keep_until(path: Path, step: int) -> None:
    """Drops the lines of later steps, and a last line cut short; nothing changes where there are none."""
    kept = b"".join(encode(entry) for entry in read(path) if entry["step"] <= step)
    if path.exists() and path.read_bytes() != kept:
        write_atomic(path, kept)
