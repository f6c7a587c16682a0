"""A worker as its parent sees it: a process and a socket, started, fed one task, read, and killed.

The process is a fresh interpreter, not a fork and not multiprocessing's spawn: those would copy the trainer's memory
and locks, or run the user's main script again; here the worker imports `rewards` and the user's reward files alone.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import rewards

# The folder that holds our package leads the path for as long as our own imports take: a user's rewards.py in the
# current folder must not be taken for it. The rest of the path follows with the settings.
_START = "import sys; sys.path.insert(0, sys.argv[2]); from rewards.worker import main; main(int(sys.argv[1]))"
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class WorkerProcess:
    """One worker. `tasks` are what it was sent and has not answered, the first being what it is busy with; `since` is
    when (monotonic seconds) it was started or began with that one."""

    def __init__(self, settings: dict[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        root = str(Path(rewards.__file__).resolve().parent.parent)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, str(theirs.fileno()), root],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT},
            )
        self.connection = Connection(ours.detach())
        self.tasks: deque[Any] = deque()
        self.ready = False
        self.since = time.monotonic()
        self.send(pickle.dumps(settings))

    def send(self, message: bytes) -> bool:
        """False where the worker is gone."""
        try:
            self.connection.send_bytes(message)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self) -> bytes | None:
        """The worker's next message, or None where it is gone."""
        try:
            return self.connection.recv_bytes()
        except (EOFError, OSError):  # closed between messages, or in the middle of one
            return None

    def end(self) -> int:
        """Make sure that it is gone; its exit status, negative for the signal that ended it."""
        self.connection.close()
        try:
            return self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self) -> int:
        self.process.kill()
        return self.end()


def cause(status: int) -> str:
    """An exit status in words."""
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
