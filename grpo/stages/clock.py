"""Seconds by phase of one step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """`with clock("sample"): …` adds to that phase; `read()` returns the seconds by phase and starts over."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - started

    def read(self) -> dict[str, float]:
        seconds, self.seconds = self.seconds, {}
        return seconds
