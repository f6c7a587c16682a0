"""A recipe's rows: source, slice, column mapping.

rows = load_rows(Data(source="svamp.jsonl", rows="0:700"), base=folder, where="stages.zero.data", seed=0)
rows[3], rows.place(3)    →  {"prompt": …, "solution": …, …}, "svamp.jsonl, row 3 (counted from 0)"
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from grpo.data.columns import ColumnMapping
from grpo.data.sources import open_source
from grpo.errors import UserError
from grpo.recipe.fields import Data


class Rows(Sequence[dict[str, Any]]):
    """Rows under our column names, mapped as they are read; each knows its place in the source."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], mapping: ColumnMapping, origin: str, first: int = 0) -> None:
        """`first` is the source's number of rows[0], where a slice was taken."""
        self._rows, self._mapping, self.origin, self._first = rows, mapping, origin, first

    def place(self, index: int) -> str:
        """Where row `index` stands in the source, for messages."""
        return f"{self.origin}, row {self._first + index} (counted from 0)"

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        index = range(len(self))[index]
        return self._mapping.apply(self._rows[index], self.place(index))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # A hub data set is read in order many times faster than by index.
        for index, row in enumerate(self._rows):
            yield self._mapping.apply(row, self.place(index))


def load_rows(data: Data, *, base: Path, where: str, seed: int) -> Rows:
    """The rows that `data` describes. `base`: folder of relative paths; `where`: the data's place in the recipe.

    `seed` matters to procedural tasks and callables alone. Raises `UserError` naming file, row, column and the columns
    that exist; the first row is mapped at once, so that a wrong column fails here.
    """
    table = open_source(data, base=base, where=where, seed=seed)
    return _rows(table.rows, data, table.origin, where)


def rows_from(rows: Iterable[Mapping[str, Any]], data: Data, *, where: str, origin: str = "rows") -> Rows:
    """Rows given from Python (a list, a `datasets.Dataset`) with the slice and mapping of `data`."""
    known_length: Any = rows if hasattr(rows, "__getitem__") and hasattr(rows, "__len__") else list(rows)
    return _rows(known_length, data, origin, where)


def _rows(rows: Sequence[Mapping[str, Any]], data: Data, origin: str, where: str) -> Rows:
    if not len(rows):
        raise UserError(f"{origin} holds no rows", where=f"{where}.source")
    taken = _slice(data.rows, len(rows), origin, where)
    part: Any = rows
    if len(taken) < len(rows):
        # `datasets.Dataset` answers a Python slice with a dict of columns: it has `select` for this.
        part = rows.select(taken) if hasattr(rows, "select") else rows[taken.start : taken.stop]
    result = Rows(part, ColumnMapping.of(data.columns, where=where), origin, taken.start)
    _ = result[0]
    return result


def _slice(text: str | None, count: int, origin: str, where: str) -> range:
    """`start:stop`, end exclusive. A slice that reaches past the end, or is empty, is an error, not a shorter slice."""
    if text is None:
        return range(count)
    start, _, stop = text.partition(":")
    taken = range(int(start or 0), int(stop or count))
    if not len(taken) or taken.stop > count:
        raise UserError(f"the slice {text} does not fit: {origin} has {count} rows", where=f"{where}.rows")
    return taken
