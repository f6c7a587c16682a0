"""The launcher: a trusted process that has imported what solutions use, and forks a locked-down child on request.

A child costs a fork and a dozen system calls instead of an interpreter's start. The launcher reads no model text: the
program goes over the child's own channel. It serves one socket, one child at a time, and ends when the other side of
the socket is gone; its children then get SIGKILL from the kernel.

Requests, JSON in one packet each: {"do": "run", "mode": "functions" | "script", "seconds": …, "memory": …} with the
descriptors of channel, stdin and stdout, answered with the child's pidfd; {"do": "usage"}; {"do": "end"}.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from rewards.code.sandbox import kernel, landlock, limits, proof
from rewards.code.sandbox.child import CHANNEL, Guards, forget_the_launcher, lock_down, take_descriptors
from rewards.code.sandbox.program import Channel, end_script, script, serve

MAX_REQUEST = 65_536
NAMESPACES = 0x10000000 | 0x40000000 | 0x08000000 | 0x04000000  # CLONE_NEWUSER, NEWNET, NEWIPC, NEWUTS

# What solutions import most. Whatever else the standard library has is read by the child when it is imported.
IMPORTED = (
    "abc", "array", "atexit", "base64", "binascii", "bisect", "builtins", "bz2", "calendar", "cmath", "collections",
    "collections.abc", "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal", "difflib", "enum",
    "fractions", "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json", "keyword", "lzma", "math",
    "numbers", "operator", "pprint", "queue", "random", "re", "statistics", "string", "struct", "sys", "textwrap",
    "threading", "time", "traceback", "types", "typing", "unicodedata", "zlib",
)  # fmt: skip


def main(descriptor: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever uses the judge
    control = socket.socket(fileno=descriptor)
    settings = json.loads(control.recv(MAX_REQUEST))
    guards, hello = _prepare(settings)
    launcher = Launcher(control, guards)
    control.send(json.dumps(hello).encode())
    if not hello["missing"]:
        launcher.serve()


def _prepare(settings: dict[str, Any]) -> tuple[Guards, dict[str, Any]]:
    """Import, then make the guards. What is missing and not allowed to be missing goes into the greeting."""
    sys.path.pop(0)  # the folder of this package
    readable = landlock.standard_library()
    if settings["modules"]:
        sys.path.extend(settings["path"])
        readable += [Path(entry) for entry in settings["path"] if Path(entry).is_dir()]
    failed = [_import(name) for name in [*IMPORTED, *settings["modules"]]]
    hello: dict[str, Any] = {"layer": settings["layer"], "unimportable": [name for name in failed if name]}
    if settings["layer"] == "namespaces":
        try:
            kernel.unshare(NAMESPACES)
        except OSError as error:
            hello["layer"] = f"none ({error})"
    guards, missing = proof.make_guards(readable)
    hello["landlock"] = landlock.version()
    guards.skipped = {name for name in missing if name in settings["allow_missing"]}
    hello["missing"] = {name: why for name, why in missing.items() if name not in settings["allow_missing"]}
    hello["skipped"] = sorted(guards.skipped)
    if not hello["missing"]:
        hello["missing"] = proof.broken(guards)
    os.environ.clear()
    sys.argv[:] = [""]
    gc.collect()
    gc.freeze()  # children share these pages
    return guards, hello


def _import(name: str) -> str | None:
    """None, or why not. A builder may leave a module of the standard library out; a module asked for must be there."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        return f"{name}: {error}"
    return None


class Launcher:
    """Serves the socket."""

    def __init__(self, control: socket.socket, guards: Guards) -> None:
        self.control, self.guards = control, guards
        self.child: int | None = None
        self.pid = os.getpid()
        self.occupied = limits.address_space()
        self.ours = [name for name in sys.modules if name.partition(".")[0] == "rewards"]

    def serve(self) -> None:
        while True:
            message, descriptors, _, _ = socket.recv_fds(self.control, MAX_REQUEST, 3)
            if not message:
                self._end()
                return
            request = json.loads(message)
            try:
                answer, passed = self._answer(request, descriptors)
            except OSError as error:
                answer, passed = {"failed": str(error)}, []
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            socket.send_fds(self.control, [json.dumps(answer).encode()], passed)
            for descriptor in passed:
                os.close(descriptor)

    def _answer(self, request: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], list[int]]:
        if request["do"] == "run":
            self._end()
            self.child = os.fork()
            if self.child == 0:
                self._be_a_child(request, *descriptors)
            return {}, [os.pidfd_open(self.child)]
        if request["do"] == "usage":
            return self._usage(), []
        return self._end(), []

    def _be_a_child(self, request: dict[str, Any], channel: int, stdin: int, stdout: int) -> None:
        """Never returns."""
        try:
            guards = self.guards
            guards.ruleset = take_descriptors(channel, stdin, stdout, guards.ruleset)
            forget_the_launcher(self.ours)
            pipe = Channel(CHANNEL)
            lock_down(guards, self.pid, request["seconds"], request["memory"], self.occupied)
            pipe.send(b"locked")  # the last word that the judge may trust
            if request["mode"] == "functions":
                serve(pipe)
            source = pipe.receive().decode("utf-8", "surrogatepass")
            os.close(CHANNEL)
            end_script(script(source))
        finally:
            os._exit(1)

    def _usage(self) -> dict[str, Any]:
        """CPU seconds of the child, and whether all its threads sleep (not: want a processor and get none)."""
        assert self.child is not None
        cpu = time.clock_gettime(((~self.child) << 3) | 2)  # CLOCK_PROCESS_CPUTIME_ID of another process
        states = [_state(task / "stat") for task in Path(f"/proc/{self.child}/task").iterdir()]
        return {"cpu": cpu, "asleep": all(state == "S" for state in states)}

    def _end(self) -> dict[str, Any]:
        if self.child is None:
            return {"failed": "there is no child"}
        child, self.child = self.child, None
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        return {"status": os.waitstatus_to_exitcode(status), "cpu": usage.ru_utime + usage.ru_stime}


def _state(stat: Path) -> str:
    """R, S, D, …; of a thread that has just ended, nothing."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
