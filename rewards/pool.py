"""A pool of worker processes that judge completions as they arrive.

    with Pool({"math": RewardSpec("math")}, workers=2) as pool:
        pool.submit(("p1", 0), "math", "so \\boxed{4}", {"solution": "4"})
        pool.collect()                                  # {(("p1", 0), "math"): Verdict("scored", 1.0, …)}

A thread of the pool feeds one task at a time to each worker, so a task that must be ended takes no other with it.
Results do not depend on the number of workers or on timing: deadlines are CPU seconds of the worker, kept by the
kernel; the wall clock is a backstop for rewards that wait without computing, and a verdict says where it was used.
A worker that dies of anything but a deadline gets its task tried once more by another; then the verdict is `error`.
"""

import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Pipe, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from rewards.batch import BatchResult
from rewards.verdict import Verdict
from rewards.worker_process import WorkerProcess, cause

WALL_GRACE = 10.0  # seconds that the wall-clock backstop allows beyond six times the CPU seconds
START_SECONDS = 120.0  # for a worker's imports, wall clock
MAX_FAILED_STARTS = 3


@dataclass(frozen=True, slots=True)
class RewardSpec:
    """A reward as a worker loads it (see `rewards.load`). seconds: deadline of one judgement in CPU seconds.
    pickled: a ready-made reward instead of one to be loaded."""

    use: str
    params: Mapping[str, Any] = field(default_factory=dict)
    base: Path = Path(".")
    seconds: float = 5.0
    pickled: bytes | None = None


@dataclass(slots=True)
class _Task:
    key: Hashable
    label: str
    message: bytes
    rows: int | None  # of a batch; None for one completion
    seconds: float
    tries: int = 0

    @property
    def wall(self) -> float:
        """Wall-clock backstop: generous, because a busy machine gives a worker a small share of a core."""
        return 6 * self.seconds + WALL_GRACE

    def failed(self, status: str, detail: str, seconds: float = 0.0) -> Verdict | BatchResult:
        verdict = Verdict(status, detail=detail, seconds=seconds)  # type: ignore[arg-type]
        return verdict if self.rows is None else BatchResult([verdict] * self.rows)


class Pool:
    """Worker processes for a fixed set of rewards. Usable from any thread; processes start with the first `submit`
    or with `start()`.

    memory: address space in bytes that a judgement may use beyond what the loaded rewards occupy.
    """

    def __init__(self, rewards: Mapping[str, RewardSpec], workers: int, memory: int = 2**30) -> None:
        if workers < 1:
            raise ValueError(f"a pool needs at least one worker, got {workers}")
        self._specs = dict(rewards)
        specs = {
            label: s.pickled or (s.use, dict(s.params), str(Path(s.base).resolve())) for label, s in rewards.items()
        }
        path = [entry or os.getcwd() for entry in sys.path]
        self._settings = {"rewards": specs, "path": path, "memory": memory}
        self._size = workers
        self._workers: list[WorkerProcess] = []
        self._queue: deque[_Task] = deque()
        self._open = 0
        self._results: dict[tuple[Hashable, str], Verdict | BatchResult] = {}
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._failed_starts = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._wake_reader, self._wake_writer = Pipe(duplex=False)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the workers now, so that their imports are done by the time the first completion is finished."""
        with self._changed:
            if self._closing:
                raise RuntimeError("the pool is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="reward-pool", daemon=True)
                self._thread.start()

    def submit(self, key: Hashable, label: str, completion: str, row: Mapping[str, Any]) -> None:
        """Judge one completion by a row reward; the verdict is filed under (key, label)."""
        self._put(key, label, "row", (completion, dict(row)), None)

    def submit_batch(self, key: Hashable, label: str, kwargs: Mapping[str, Any]) -> None:
        """Call a reward once with all rows (`kwargs["completions"]` and columns); its deadline is that of one
        judgement times the number of rows. Filed under (key, label) as a BatchResult."""
        self._put(key, label, "batch", dict(kwargs), len(kwargs["completions"]))

    def _put(self, key: Hashable, label: str, kind: str, payload: Any, rows: int | None) -> None:
        seconds = self._specs[label].seconds * (1 if rows is None else max(rows, 1))
        message = pickle.dumps((kind, label, seconds, payload))
        self.start()
        with self._changed:
            self._queue.append(_Task(key, label, message, rows, seconds))
            self._open += 1
        self._wake_writer.send_bytes(b"")

    def collect(self) -> dict[tuple[Hashable, str], Verdict | BatchResult]:
        """Wait for everything submitted so far; hand its results over, once. Raises RuntimeError where workers cannot
        be started."""
        with self._changed:
            self._changed.wait_for(lambda: self._open == 0 or self._failure is not None or self._closing)
            if self._closing:
                raise RuntimeError("the pool was closed while results were waited for")
            if self._failure is not None:
                raise RuntimeError(f"the reward workers stopped: {self._failure}") from self._failure
            results, self._results = self._results, {}
            return results

    def close(self) -> None:
        """End the workers; what was submitted and not collected is lost. Safe to call twice."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None and self._thread.is_alive():
            self._wake_writer.send_bytes(b"")
            self._thread.join()

    # ---- the pool's own thread; the lists of workers belong to it alone

    def _serve(self) -> None:
        try:
            while not self._closing:
                self._staff()
                self._feed()
                self._wait()
        except BaseException as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()
        finally:
            for worker in self._workers:
                worker.kill()

    def _staff(self) -> None:
        while len(self._workers) < self._size:
            self._workers.append(WorkerProcess(self._settings))

    def _feed(self) -> None:
        for worker in self._workers:
            if worker.ready and worker.task is None:
                with self._changed:
                    task = self._queue.popleft() if self._queue else None
                if task is None:
                    return
                worker.task = task
                worker.send(task.message)  # where it is gone, its closed socket tells next

    def _wait(self) -> None:
        """Sleep until a worker answers or dies, a task arrives, or a backstop is due; then act on it."""
        now = time.monotonic()
        due = [w.since + self._patience(w) for w in self._workers if w.task is not None or not w.ready]
        timeout = max(0.0, min(due) - now) if due else None
        by_connection = {worker.connection: worker for worker in self._workers}
        for source in wait([*by_connection, self._wake_reader], timeout):
            if source is self._wake_reader:
                while self._wake_reader.poll():
                    self._wake_reader.recv_bytes()
            else:
                self._hear(by_connection[source])  # type: ignore[index]
        now = time.monotonic()
        for worker in [w for w in self._workers if w.task is not None or not w.ready]:
            if now - worker.since > self._patience(worker):
                self._overdue(worker)

    @staticmethod
    def _patience(worker: WorkerProcess) -> float:
        return worker.task.wall if worker.task is not None else START_SECONDS

    def _hear(self, worker: WorkerProcess) -> None:
        answer = worker.receive()
        if answer is None:
            self._bury(worker, worker.end())
        elif not worker.ready:
            worker.ready = True
            self._failed_starts = 0
        else:
            task, worker.task = worker.task, None
            self._file(task, pickle.loads(answer))

    def _bury(self, worker: WorkerProcess, status: int) -> None:
        """A worker ended by itself, by its deadline, or by somebody."""
        self._workers.remove(worker)
        task = worker.task
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise RuntimeError(f"{self._failed_starts} workers in a row {cause(status)} before they were ready")
        elif task is not None and status == -signal.SIGPROF:
            self._file(task, task.failed("timeout", f"used up {task.seconds:g} CPU seconds", task.seconds))
        elif task is not None and task.tries == 0:
            task.tries = 1
            with self._changed:
                self._queue.appendleft(task)
        elif task is not None:
            self._file(task, task.failed("error", f"the worker process was twice {cause(status)} while judging"))

    def _overdue(self, worker: WorkerProcess) -> None:
        status = worker.kill()
        task = worker.task
        if task is None:
            self._bury(worker, status)
        else:
            self._workers.remove(worker)
            waited = f"{task.wall:g} seconds of wall clock without an answer and without using up its CPU seconds"
            self._file(task, task.failed("timeout", f"wall-clock backstop: {waited}"))

    def _file(self, task: _Task, result: Verdict | BatchResult) -> None:
        with self._changed:
            self._results[(task.key, task.label)] = result
            self._open -= 1
            if self._open == 0:
                self._changed.notify_all()
