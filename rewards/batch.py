"""One call of a reward in TRL's convention: what it is given, and what its answer means.

Keywords only. A function with a narrower signature gets the keywords it names; `async` functions are awaited. Of its
answer, None means *not applicable*; a value that is not finite, an answer of the wrong length, or an exception means
that none or one of the completions *could not be judged*: an `error` with the reason.
"""

import asyncio
import inspect
import math
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from rewards.protocol import Judging
from rewards.verdict import Verdict


@dataclass
class BatchResult:
    """Verdicts in the order of the completions, and what the function logged.

    metrics: by `log_metric(name, value)`, one list of values a name. extras: by `log_extra(column, values)`.
    """

    verdicts: list[Verdict]
    metrics: dict[str, list[float]] = field(default_factory=dict)
    extras: dict[str, list[Any]] = field(default_factory=dict)


def call_batch(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> BatchResult:
    """Call a reward once with all rows. `kwargs` has `completions` and whatever else the function may name.

    Any exception of the function becomes an `error` verdict, with the traceback, for every completion.
    """
    count = len(kwargs["completions"])
    result = BatchResult([])
    start = time.process_time()
    try:
        if isinstance(function, Judging):
            columns = {name: value for name, value in kwargs.items() if name != "completions"}
            judged = function.judge(completions=kwargs["completions"], **columns)
            seconds = (time.process_time() - start) / max(count, 1)
            result.verdicts = [replace(verdict, seconds=seconds) for verdict in judged]
            return result
        answer = function(**_fitting(function, {**kwargs, **_loggers(result)}))
        if inspect.iscoroutine(answer):
            answer = _await(answer)
        result.verdicts = _verdicts(answer, count, (time.process_time() - start) / max(count, 1))
    except Exception:  # the boundary to code of others: what it raises is a verdict, with its own traceback
        result.verdicts = [Verdict("error", detail=traceback.format_exc())] * count
    return result


def _fitting(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that the function's signature takes."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(kwargs)
    return {name: value for name, value in kwargs.items() if name in parameters}


def _loggers(result: BatchResult) -> dict[str, Callable[..., None]]:
    def log_metric(name: str, value: float) -> None:
        result.metrics.setdefault(name, []).append(float(value))

    def log_extra(column: str, values: Sequence[Any]) -> None:
        result.extras[column] = list(values)

    return {"log_metric": log_metric, "log_extra": log_extra}


def _await(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run to its end in a thread of its own: the caller's thread may already run an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def _verdicts(answer: Any, count: int, seconds: float) -> list[Verdict]:
    values = list(answer)
    if len(values) != count:
        raise ValueError(f"the reward returned {len(values)} values for {count} completions")
    return [_verdict(value, seconds) for value in values]


def _verdict(value: Any, seconds: float) -> Verdict:
    if value is None:
        return Verdict("not_applicable", seconds=seconds)
    number = float(value)
    if not math.isfinite(number):
        return Verdict("error", detail=f"the reward returned {number}", seconds=seconds)
    return Verdict("scored", number, seconds=seconds)
