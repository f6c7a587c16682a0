"""One candidate process as the judge holds it: frames to and from it, its output, its deadline, its end.

The deadline is the candidate's CPU seconds, as the kernel counts them. A candidate that sleeps is ended after
IDLE_SECONDS of it; waiting for a processor of a busy machine is not sleeping. Both are the
candidate's fault: a program that hangs must not be spared a score.
"""

import os
import select
import signal
import socket
import time
from typing import Any

from rewards.code.engine import Budget, CandidateFailed, SandboxLost
from rewards.code.literals import MAX_ANSWER
from rewards.code.sandbox.launcher import Launcher
from rewards.code.sandbox.program import LENGTH

IDLE_SECONDS = 3.0
ENDING = 0.5  # seconds between the closing of a process's descriptors and its end, on a busy machine
GLANCE = 0.2  # seconds between two looks at the clocks of a candidate that does not answer


class CandidateProcess:
    """Started by a launcher. `stdin` and `stdout` are descriptors, which stay the caller's."""

    def __init__(self, launcher: Launcher, mode: str, budget: Budget, stdin: int, stdout: int) -> None:
        self._launcher, self._budget = launcher, budget
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        self._received = bytearray()
        self._idle = 0.0
        self._pidfd: int | None = None
        request = {"do": "run", "mode": mode, "seconds": budget.left, "memory": budget.memory}
        with theirs:
            _, passed = launcher.ask(request, (theirs.fileno(), stdin, stdout))
        self._pidfd = passed[0]
        try:
            locked = self.receive() == b"locked"
        except CandidateFailed:  # it has not seen the program yet
            locked = False
        if not locked:
            self.abandon()
            raise SandboxLost("code: a candidate process ended before it was locked down")

    # ---- frames

    def send(self, payload: bytes) -> None:
        """Raises CandidateFailed where it does not take the message in time."""
        data = memoryview(LENGTH.pack(len(payload)) + payload)
        while data:
            try:
                data = data[self._channel.send(data) :]
            except BlockingIOError:
                self._wait(write=True)
            except OSError:
                self._gone()

    def receive(self) -> bytes:
        """The next frame. Raises CandidateFailed or SandboxLost."""
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > MAX_ANSWER:
            raise CandidateFailed(f"answered with {length} bytes")
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            try:
                part = self._channel.recv(max(65_536, min(count, 2**20)))
            except BlockingIOError:
                self._wait()
                continue
            except OSError:
                part = b""
            if not part:
                self._gone()
            self._received += part
        taken, self._received = bytes(self._received[:count]), self._received[count:]
        return taken

    # ---- waiting

    def _wait(self, write: bool = False, extra: tuple[int, ...] = ()) -> list[int]:
        """Until the channel (or a descriptor of `extra`) is ready; those that are. Raises CandidateFailed when a
        deadline passes."""
        poll = select.poll()
        if not extra:
            poll.register(self._channel, select.POLLOUT if write else select.POLLIN)
        for descriptor in extra:
            poll.register(descriptor, select.POLLIN)
        looked, cpu, asleep = time.monotonic(), 0.0, False
        while not (ready := poll.poll(min(GLANCE, max(self._budget.left, 0.01)) * 1000)):
            usage, _ = self._launcher.ask({"do": "usage"})
            now = time.monotonic()
            if asleep and usage["asleep"]:
                self._idle += max(0.0, now - looked - (usage["cpu"] - cpu))
            looked, cpu, asleep = now, usage["cpu"], usage["asleep"]
            if cpu > self._budget.left:
                raise CandidateFailed(self._budget.used_up())
            if self._idle > IDLE_SECONDS:
                raise CandidateFailed(f"waited for {IDLE_SECONDS:g} seconds without computing")
        return [descriptor for descriptor, _ in ready]

    def output(self, stdout: int, limit: int) -> tuple[bytes, bool]:
        """All that it writes to `stdout` (the reading end, non-blocking) until it ends, and whether it stayed within
        `limit` bytes. Raises CandidateFailed when a deadline passes."""
        assert self._pidfd is not None
        data = bytearray()
        waiting: tuple[int, ...] = (stdout, self._pidfd)
        while len(data) <= limit:
            ended = self._pidfd in self._wait(extra=waiting)
            try:
                while len(data) <= limit and (part := os.read(stdout, 65_536)):
                    data += part
                if len(data) <= limit and not ended:  # it closed its stdout, and may go on
                    waiting = (self._pidfd,)
                    self._wait(extra=waiting)
                    ended = True
            except BlockingIOError:
                pass
            if ended:
                return bytes(data), len(data) <= limit
        return bytes(data), False

    # ---- the end

    def _gone(self) -> None:
        """The channel broke: the process ended, or closed it."""
        end = self.end(ENDING)
        raise CandidateFailed(describe(end["status"], closed=True))

    def end(self, patience: float = 0.0) -> dict[str, Any]:
        """Make sure that it is gone; its exit status. Raises SandboxLost where it was killed from outside. patience:
        seconds in which it may end by itself."""
        if self._pidfd is None:
            return {"status": 0, "cpu": 0.0}
        alive = not select.select([self._pidfd], [], [], patience)[0]
        self.abandon()
        end, _ = self._launcher.ask({"do": "end"})
        self._budget.spent += end["cpu"]
        # Nothing in the sandbox can send a signal, and the kernel sends this one only when the CPU limit is reached.
        if end["status"] == -signal.SIGKILL and not alive and self._budget.left > 0:
            raise SandboxLost("code: a candidate process was killed from outside (the machine may be out of memory)")
        return end

    def abandon(self) -> None:
        """Close the judge's ends."""
        self._channel.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def describe(status: int, closed: bool = False) -> str:
    """An exit status in words."""
    if status < 0 and not (closed and status == -signal.SIGKILL):
        return f"was ended by {signal.Signals(-status).name}"
    return "closed its channel" if status < 0 else f"ended by itself with status {status}"
