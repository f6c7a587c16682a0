"""Runs a measurement in a process of its own, so that its peak of memory is its own."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from typing import Any

import torch

from tests.benchmarks import memory

Made = Callable[[Any], Callable[[], object]]
"""Arguments → the work, everything it needs already there."""


def measured(make: Made, arguments: object, rounds: int) -> dict[str, float]:
    """make: a function of a module. seconds: the median of `rounds` rounds after one to warm up. peak: bytes beyond
    what the process held when the work was made."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_measure, args=(make, arguments, rounds, there))
    process.start()
    there.close()
    found: dict[str, float] = here.recv()
    process.join()
    return found


def _measure(make: Made, arguments: object, rounds: int, answer: Connection) -> None:
    torch.manual_seed(0)
    work = make(arguments)
    before = memory.start()
    work()
    seconds = []
    for _ in range(rounds):
        _wait()
        start = perf_counter()
        work()
        _wait()
        seconds.append(perf_counter() - start)
    answer.send({"seconds": median(seconds), "peak": float(memory.peak() - before)})


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
