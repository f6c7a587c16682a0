"""Opens what `data.source` names: a procedural task, a Python callable, a local file or folder, or a hub data set."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from grpo.data.calls import call_for_rows, load_callable
from grpo.data.files import SUFFIXES, file_suffix, read_file
from grpo.data.tasks import make_rows
from grpo.errors import UserError
from grpo.recipe.fields import Data

logger = logging.getLogger(__name__)

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Table:
    """Rows as the source has them. `origin` names them in messages; `rows` is a list or a `datasets.Dataset`."""

    origin: str
    rows: Sequence[Mapping[str, Any]]


def open_source(data: Data, *, base: Path, where: str, seed: int) -> Table:
    """The rows of `data.source`, before slice and column mapping. `base` is the folder of relative paths.

    Raises `UserError` at `{where}.source` where it does not exist, cannot be reached or holds something else.
    """
    source, place = data.source, f"{where}.source"
    if source.startswith("task:"):
        return Table(source, make_rows(source, data.options, split=data.split, seed=seed, where=where))
    if ":" in source and not file_suffix(source):
        function = load_callable(source, base=base, where=place)
        if "split" not in signature(function).parameters:
            _say_unused_parts(data, where, "the function takes no argument `split`")
        rows = call_for_rows(function, data.options, where=where, split=data.split, seed=seed)
        return Table(source, _check_rows(rows, source, place))
    if data.options:
        advice = "Only a task (task:arithmetic) or a callable (file.py:function) takes options."
        raise UserError(f"{source} takes no options", where=f"{where}.options", advice=advice)
    path = base / Path(source).expanduser()
    if file_suffix(source):
        _say_unused_parts(data, where, "a file has no parts, `rows` takes a slice of it")
        return Table(path.name, read_file(path, where=place))
    if path.is_dir():
        return Table(source, _open_folder(path, data, place))
    if source.startswith(("/", ".", "~")) or path.is_file() or not _HUB_NAME.fullmatch(source):
        kinds = ", ".join(SUFFIXES)
        message = f"{path} is no folder and no data file ({kinds}), and {source!r} is no hub name"
        raise UserError(message, where=place)
    return Table(source, _open_hub(data, place))


def _say_unused_parts(data: Data, where: str, why: str) -> None:
    """`name` and `split` choose a part of a hub data set. Said, not refused, where they have no effect, so that a
    recipe for a hub data set runs on a local copy with `source` alone overridden."""
    for key, value, unset in (("name", data.name, None), ("split", data.split, "train")):
        if value != unset:
            logger.warning("%s.%s: %r has no effect on %s: %s", where, key, value, data.source, why)


def _check_rows(value: Any, source: str, where: str) -> Sequence[Mapping[str, Any]]:
    """What a callable returned, as a sequence of mappings."""
    if isinstance(value, Mapping | str | bytes) or not hasattr(value, "__iter__"):
        raise UserError(f"{source} returned a {type(value).__name__}, expected rows (a list of dicts)", where=where)
    rows = value if hasattr(value, "select") else list(value)
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        if not isinstance(row, Mapping):
            message = f"{source}, row {index} (counted from 0): expected a dict, got {type(row).__name__}"
            raise UserError(message, where=where)
    return rows


def _open_folder(path: Path, data: Data, where: str) -> Sequence[Mapping[str, Any]]:
    """A folder: one that `Dataset.save_to_disk` wrote, or one of data files that `load_dataset` understands."""
    import datasets

    if (path / "state.json").is_file():
        return datasets.load_from_disk(str(path))
    if (path / "dataset_dict.json").is_file():
        splits = datasets.load_from_disk(str(path))
        if data.split not in splits:
            message = f"{path} has no split {data.split!r} (it has {', '.join(splits)})"
            raise UserError(message, where=where.replace(".source", ".split"))
        return splits[data.split]
    return _load_dataset(str(path), data, where)


def _open_hub(data: Data, where: str) -> Sequence[Mapping[str, Any]]:
    return _load_dataset(data.source, data, where)


def _load_dataset(path: str, data: Data, where: str) -> Sequence[Mapping[str, Any]]:
    import datasets
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    advice = (
        "A local copy works too: give the path of a .jsonl, .json, .parquet or .csv file as `source` "
        "(and leave `name` and `split` out), or set HF_HOME to a cache that holds the data set."
    )
    try:
        return datasets.load_dataset(path, data.name, split=data.split)
    except DatasetNotFoundError as error:
        message = f"the hub has no data set {path!r} that you may read: {error}"
        raise UserError(message, where=where, advice=advice) from error
    except (ConnectionError, OSError) as error:
        message = f"the data set {path!r} could not be fetched from the hub: {error}"
        raise UserError(message, where=where, advice=advice) from error
    except (ValueError, DatasetsError) as error:  # an unknown `name` or `split`; the message lists the known ones
        raise UserError(f"the data set {path!r} could not be opened: {error}", where=where, advice=advice) from error
