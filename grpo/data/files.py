"""Local files to rows: JSON lines, a JSON array, Parquet, CSV (each .gz too, Parquet excepted).

A broken file fails with its name and the line. CSV values are text: a CSV has no types, and guessing them would turn
the reference "007" into 7.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo.errors import UserError

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")


def file_suffix(name: str) -> str | None:
    """The suffix that decides the format (without .gz), or None where it is none of ours."""
    suffix = Path(name.removesuffix(".gz")).suffix.lower()
    return suffix if suffix in SUFFIXES else None


def read_file(path: Path, *, where: str) -> Sequence[Mapping[str, Any]]:
    """All rows of a local file. Raises `UserError` naming the file, and the line where one is broken."""
    if not path.exists():
        raise UserError(f"there is no file {path}", where=where, advice=_neighbours(path))
    suffix = file_suffix(path.name)
    if suffix == ".parquet":
        return _read_parquet(path, where)
    text = _read_text(path, where)
    if suffix == ".csv":
        return _read_csv(text, path, where)
    if suffix == ".json":
        return _read_json(text, path, where)
    return list(_read_lines(text, path, where))


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either. Paths are relative to the recipe's folder."
    found = sorted(entry.name for entry in path.parent.iterdir() if file_suffix(entry.name))
    listing = ", ".join(found[:10]) + (" …" if len(found) > 10 else "")
    return f"Data files in {path.parent}: {listing or 'none'}. Paths are relative to the recipe's folder."


def _read_text(path: Path, where: str) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start})", where=where) from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"{path} is not a whole gzip file: {error}", where=where) from error


def _read_lines(text: str, path: Path, where: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path}, line {number}: not JSON: {error.msg} (column {error.colno})",
                where=where,
                advice="A .jsonl file holds one JSON object on each line.",
            ) from error
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: expected an object, got {type(row).__name__}", where=where)
        yield row


def _read_json(text: str, path: Path, where: str) -> Sequence[Mapping[str, Any]]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        advice = "If the file holds one object on each line, name it .jsonl." if error.msg == "Extra data" else None
        message = f"{path}, line {error.lineno}: not JSON: {error.msg}"
        raise UserError(message, where=where, advice=advice) from error
    if not isinstance(value, list):
        raise UserError(f"{path} holds one {type(value).__name__}, expected an array of objects", where=where)
    for index, row in enumerate(value):
        if not isinstance(row, dict):
            message = f"{path}, row {index} (counted from 0): expected an object, got {type(row).__name__}"
            raise UserError(message, where=where)
    return value


def _read_csv(text: str, path: Path, where: str) -> Sequence[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        for row in reader:
            if None in row or None in row.values():
                message = f"{path}, line {reader.line_num}: not as many values as the header has columns"
                raise UserError(message, where=where, advice=f"Columns: {', '.join(reader.fieldnames or ())}.")
            rows.append(row)
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not CSV: {error}", where=where) from error
    return rows


def _read_parquet(path: Path, where: str) -> Sequence[Mapping[str, Any]]:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        return pyarrow.parquet.read_table(path).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path} is not a Parquet file: {error}", where=where) from error
