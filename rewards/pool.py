"""A pool of worker processes that judge completions as they arrive.

    with Pool({"math": RewardSpec("math")}, workers=2) as pool:
        pool.submit(("p1", 0), "math", "so \\boxed{4}", {"solution": "4"})
        pool.collect()                                  # {(("p1", 0), "math"): Verdict("scored", 1.0, …)}

A thread of the pool feeds the workers. A worker judges one task at a time; one that must be ended takes no other with
it: what waited behind it goes to the next.
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
from multiprocessing.connection import Pipe, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from rewards.batch import BatchResult
from rewards.tasks import RewardSpec, Task
from rewards.verdict import Verdict
from rewards.worker_process import WorkerProcess, cause

__all__ = ["Pool", "RewardSpec"]

START_SECONDS = 120.0  # for a worker's imports, wall clock
MAX_FAILED_STARTS = 3
AHEAD, SMALL = 4, 16_384  # tasks at a worker, bytes of one that may wait there


def _has_room(worker: WorkerProcess, task: Task) -> bool:
    """A worker may have a few small tasks waiting behind the one it is busy with, which saves it a round trip each.
    Small: all of them fit in the socket, so that the pool never waits for a worker that is busy."""
    return not worker.tasks or (len(worker.tasks) < AHEAD and len(task.message) < SMALL)


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
        self._queue: deque[Task] = deque()
        self._open = 0
        self._results: dict[tuple[Hashable, str], Verdict | BatchResult] = {}
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._failed_starts = 0
        self._closing = False
        self._asleep = False
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
            self._queue.append(Task(key, label, message, rows, seconds))
            self._open += 1
            wake, self._asleep = self._asleep, False
        if wake:
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
        """Send tasks to whoever has room, fewest first: so nobody waits for a second task while another has none."""
        while True:
            worker = min((w for w in self._workers if w.ready), key=lambda w: len(w.tasks), default=None)
            with self._changed:
                if worker is None or not self._queue or not _has_room(worker, self._queue[0]):
                    self._asleep = True
                    return
                task = self._queue.popleft()
            if not worker.tasks:
                worker.since = time.monotonic()
            worker.tasks.append(task)
            worker.send(task.message)  # where it is gone, its closed socket tells next

    def _wait(self) -> None:
        """Sleep until a worker answers or dies, a task arrives, or a backstop is due; then act on it."""
        now = time.monotonic()
        due = [w.since + self._patience(w) for w in self._workers if w.tasks or not w.ready]
        timeout = max(0.0, min(due) - now) if due else None
        by_connection = {worker.connection: worker for worker in self._workers}
        for source in wait([*by_connection, self._wake_reader], timeout):
            if source is self._wake_reader:
                while self._wake_reader.poll():
                    self._wake_reader.recv_bytes()
            else:
                self._hear(by_connection[source])  # type: ignore[index]
        now = time.monotonic()
        for worker in [w for w in self._workers if w.tasks or not w.ready]:
            if now - worker.since > self._patience(worker):
                self._overdue(worker)

    @staticmethod
    def _patience(worker: WorkerProcess) -> float:
        return worker.tasks[0].wall if worker.tasks else START_SECONDS

    def _hear(self, worker: WorkerProcess) -> None:
        answer = worker.receive()
        if answer is None:
            self._bury(worker, worker.end())
        elif not worker.ready:
            worker.ready = True
            self._failed_starts = 0
        else:
            worker.since = time.monotonic()
            self._file(worker.tasks.popleft(), pickle.loads(answer))

    def _bury(self, worker: WorkerProcess, status: int) -> None:
        """A worker ended by itself, by its deadline, or by somebody."""
        task = self._give_up(worker)
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
        if not worker.ready:
            self._bury(worker, status)
            return
        task = self._give_up(worker)
        if task is not None:
            waited = f"{task.wall:g} seconds of wall clock without an answer and without using up its CPU seconds"
            self._file(task, task.failed("timeout", f"wall-clock backstop: {waited}"))

    def _give_up(self, worker: WorkerProcess) -> Task | None:
        """Take a worker off the list. What it was busy with; what it had only been sent goes back into the queue."""
        self._workers.remove(worker)
        task = worker.tasks.popleft() if worker.tasks else None
        with self._changed:
            self._queue.extendleft(reversed(worker.tasks))
        return task

    def _file(self, task: Task, result: Verdict | BatchResult) -> None:
        with self._changed:
            self._results[(task.key, task.label)] = result
            self._open -= 1
            if self._open == 0:
                self._changed.notify_all()
