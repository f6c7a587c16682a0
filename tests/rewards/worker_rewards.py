"""Rewards for the tests of the pool: loaded by the workers from this file."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewards import RowReward, Verdict, scored


class Moody(RowReward):
    """Does what the completion says."""

    name = "moody"

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        if completion == "raise":
            raise ZeroDivisionError("as asked")
        if completion == "spin":
            while True:
                pass
        if completion == "one long operation":
            return scored(len(str(10**30_000_000)))
        if completion == "sleep":
            time.sleep(1000)
        if completion == "exit":
            sys.exit(3)
        if completion == "memory":
            return scored(len(bytearray(8 * 2**30)))
        if completion == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if completion == "once":  # die the first time only
            marker = Path(row["marker"])
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if completion == "modules":
            return scored("torch" in sys.modules or "transformers" in sys.modules or "grpo" in sys.modules)
        if completion == "none":
            return Verdict("not_applicable")
        return scored(len(completion))


def batch(completions: list[str], solution: list[str], **kwargs: Any) -> list[float | None]:
    return [None if s is None else float(c == s) for c, s in zip(completions, solution, strict=True)]


def slow_batch(completions: list[str], **kwargs: Any) -> list[float]:
    while True:
        pass
