"""The judge's side of a launcher: a process of ours that forks locked-down children, and the socket to it."""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rewards
from rewards.code.engine import SandboxLost
from rewards.code.sandbox.layers import outer_command
from rewards.errors import RewardError

_START = (
    "import sys; sys.path.insert(0, sys.argv[2]); "
    "from rewards.code.sandbox.launcher_process import main; main(int(sys.argv[1]))"
)
# -P -s -S: neither the current folder nor anybody's site-packages. A fixed hash seed: a replay gives the same verdicts.
_PYTHON = [sys.executable, "-P", "-s", "-S", "-B", "-X", "utf8"]
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
START_SECONDS = 60.0
MAX_ANSWER = 65_536


@dataclass(frozen=True, slots=True)
class Settings:
    """What a launcher is started with; launchers of equal settings are shared.

    modules: beyond the standard library, imported for the candidate (their folders become readable).
    allow_missing: guards that may be missing. layer: `none`, `namespaces` or `bubblewrap`, around the guards.
    """

    modules: tuple[str, ...] = ()
    allow_missing: tuple[str, ...] = ()
    layer: str = "none"


class Launcher:
    """A running launcher. Raises RewardError where a guard is missing or a module cannot be imported."""

    def __init__(self, settings: Settings) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = str(Path(rewards.__file__).resolve().parent.parent)
        with theirs:
            self.process = subprocess.Popen(
                [*outer_command(settings.layer), *_PYTHON, "-c", _START, str(theirs.fileno()), root],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_ENVIRONMENT,
            )
        self.greeting = self._greet(settings)

    def _greet(self, settings: Settings) -> dict[str, Any]:
        folders = [entry for entry in sys.path if entry] if settings.modules else []
        wish = {
            "modules": settings.modules,
            "allow_missing": settings.allow_missing,
            "layer": settings.layer,
            "path": folders,
        }
        try:
            data = b""
            with contextlib.suppress(OSError):  # it is gone
                self.control.send(json.dumps(wish).encode())
                if select.select([self.control], [], [], START_SECONDS)[0]:
                    data = self.control.recv(MAX_ANSWER)
            if not data:
                self.process.kill()
                assert self.process.stderr is not None
                said = self.process.stderr.read().decode(errors="replace").strip().splitlines()
                raise RewardError(f"code: the sandbox's launcher did not start: {said[-1] if said else 'no answer'}")
            greeting: dict[str, Any] = json.loads(data)
            refuse_missing(greeting["missing"])
            _refuse_modules(greeting["unimportable"], settings.modules)
        except BaseException:
            self.close()
            raise
        return greeting

    def ask(self, request: dict[str, Any], descriptors: tuple[int, ...] = ()) -> tuple[dict[str, Any], list[int]]:
        """Raises SandboxLost where the launcher is gone or could not do it."""
        try:
            socket.send_fds(self.control, [json.dumps(request).encode()], descriptors)
            data, passed, _, _ = socket.recv_fds(self.control, MAX_ANSWER, 1)
        except OSError as error:
            raise SandboxLost(f"code: the sandbox's launcher is gone: {error}") from error
        if not data:
            raise SandboxLost("code: the sandbox's launcher is gone")
        answer: dict[str, Any] = json.loads(data)
        if "failed" in answer:
            raise SandboxLost(f"code: the sandbox's launcher could not {request['do']}: {answer['failed']}")
        return answer, passed

    def close(self) -> None:
        """It ends by itself when its socket closes, and takes its child with it."""
        self.control.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


def refuse_missing(missing: dict[str, str]) -> None:
    """Raises RewardError where there is any, with what to do. missing: guards, and why they are."""
    if missing:
        named = "; ".join(f"{name}: {why}" for name, why in missing.items())
        raise RewardError(
            f"code: the sandbox lacks a guard on this machine ({named}). Model code would run without it. Run where it "
            f"exists, use `remote`, or accept the risk with `allow_missing: [{', '.join(missing)}]`"
        )


def _refuse_modules(failed: list[str], wanted: tuple[str, ...]) -> None:
    failed = [text for text in failed if text.partition(":")[0] in wanted]
    if failed:
        raise RewardError(f"code: `modules` cannot be imported: {'; '.join(failed)}")


class Idle:
    """Launchers that nobody uses now, by their settings: for every thread one of its own, for as long as it needs."""

    def __init__(self) -> None:
        self._waiting: dict[Settings, list[Launcher]] = {}
        self._process = os.getpid()

    def take(self, settings: Settings) -> Launcher:
        if self._process != os.getpid():  # a fork shares its parent's sockets, which must not be used by both
            self.__init__()  # type: ignore[misc]
        with contextlib.suppress(KeyError, IndexError):
            return self._waiting[settings].pop()
        return Launcher(settings)

    def give_back(self, settings: Settings, launcher: Launcher) -> None:
        self._waiting.setdefault(settings, []).append(launcher)

    def close(self) -> None:
        for launchers in self._waiting.values():
            while launchers:
                launchers.pop().close()


IDLE = Idle()
