"""A count of rows on stderr while data is being read; nothing where nobody looks."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class Progress:
    """`for row in show.count(rows, "stages.zero.data: reading")`. In a terminal a line that moves; elsewhere silent."""

    def __init__(self, wanted: bool) -> None:
        self._bar: Any = None
        if not wanted:
            return
        from rich.console import Console
        from rich.progress import Progress as Bar
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        terminal = Console(stderr=True)
        if terminal.is_terminal:
            columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TextColumn("{task.completed:,}")
            self._bar = Bar(*columns, TimeElapsedColumn(), console=terminal, transient=True)

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def count(self, items: Iterable[T], what: str) -> Iterator[T]:
        """The items, counted on the line `what` as they pass."""
        if self._bar is None:
            yield from items
            return
        task = self._bar.add_task(what, total=None)
        for item in items:
            yield item
            self._bar.advance(task)
        self._bar.remove_task(task)
