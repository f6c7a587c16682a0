"""The embedded engine: candidates in locked-down processes of this machine."""

import contextlib
import functools
import os
import platform
import sys
from collections.abc import Iterator
from typing import Any

from rewards.code import literals, values
from rewards.code.engine import Budget, CandidateFailed, Finished, SandboxLost
from rewards.code.sandbox import landlock
from rewards.code.sandbox.launcher import IDLE, Launcher, Settings, refuse_missing
from rewards.code.sandbox.layers import LAYERS, best_layer
from rewards.code.sandbox.process import CandidateProcess, describe
from rewards.code.sandbox.seccomp import ARCHITECTURES
from rewards.errors import RewardError

GUARDS = ("landlock", "seccomp", "no_new_privs", "capabilities", "guards")


class LocalSandbox:
    """An Engine. modules: packages beyond the standard library that candidates may import. allow_missing: guards
    that may be missing on this machine. layer: `auto` or one of LAYERS."""

    def __init__(self, modules: tuple[str, ...] = (), allow_missing: tuple[str, ...] = (), layer: str = "auto") -> None:
        refuse_platform()
        unknown = [name for name in allow_missing if name not in GUARDS]
        if unknown:
            raise RewardError(f"code: `allow_missing` names no guard: {unknown}; the guards are {', '.join(GUARDS)}")
        if layer not in ("auto", *LAYERS):
            raise RewardError(f"code: `layer` is auto, {', '.join(LAYERS)}, got {layer!r}")
        if "landlock" not in allow_missing and landlock.version() < 1:  # the one most often missing: said at once
            refuse_missing({"landlock": landlock.NEEDS})
        self._modules, self._allow_missing, self._layer = tuple(modules), tuple(allow_missing), layer

    def _settings(self) -> Settings:
        layer = best_layer() if self._layer == "auto" else self._layer
        return Settings(self._modules, self._allow_missing, layer)

    def start(self) -> None:
        with self._launcher():
            pass

    def greeting(self) -> dict[str, Any]:
        """What the launcher says of this machine: the layer it runs in, Landlock's ABI, skipped guards."""
        with self._launcher() as launcher:
            return launcher.greeting

    @contextlib.contextmanager
    def _launcher(self) -> Iterator[Launcher]:
        launcher = IDLE.take(settings := self._settings())
        try:
            yield launcher
        except SandboxLost:
            launcher.close()
            raise
        except BaseException:
            IDLE.give_back(settings, launcher)
            raise
        IDLE.give_back(settings, launcher)

    def open(self, sources: list[str], budget: Budget) -> "LocalSession":
        return LocalSession(self._launcher(), sources, budget)

    def run(self, source: str, stdin: bytes, max_output: int, budget: Budget) -> Finished:
        with contextlib.ExitStack() as stack:
            launcher = stack.enter_context(self._launcher())
            reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            stack.callback(os.close, reader)
            os.set_blocking(writer, True)
            given = _readable(stdin)
            try:
                process = CandidateProcess(launcher, "script", budget, given, writer)
            finally:
                os.close(given)
                os.close(writer)
            stdout = b""
            try:
                process.send(source.encode("utf-8", "surrogatepass"))
                stdout, within = process.output(reader, max_output)
                fault = None if within else f"printed more than {max_output} bytes"
            except CandidateFailed as error:
                fault = str(error)
            end = process.end()
            if fault is None and end["status"] != 0:
                fault = describe(end["status"])
            return Finished(stdout, budget.used_up() if budget.left < 0 else fault)


class LocalSession:
    """A Session in one process."""

    def __init__(self, launcher: contextlib.AbstractContextManager[Launcher], sources: list[str], budget: Budget):
        self._budget = budget
        self._stack = contextlib.ExitStack()
        self._failure: str | None = None
        self._process: CandidateProcess | None = None
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            self._stack.callback(os.close, nothing)
            held = self._stack.enter_context(launcher)
            self._process = CandidateProcess(held, "functions", budget, nothing, nothing)
            self._exchange(sources)
        except BaseException as error:
            self._end(error)
            raise

    def call(self, target: str | int, path: list[str], args: tuple[Any, ...] | None, kwargs: dict[str, Any]) -> Any:
        if self._failure is not None:
            raise CandidateFailed(self._failure)
        return self._exchange({"call": target, "path": path, "args": args, "kwargs": kwargs})

    def _exchange(self, request: Any) -> Any:
        assert self._process is not None
        message = literals.dumps(request, values.number_of)
        try:
            self._process.send(message)
            return values.read_answer(self._process.receive(), self)
        except CandidateFailed as error:
            self._failure = str(error)
            raise

    def close(self) -> None:
        self._end(None)
        if self._budget.left < 0:
            raise CandidateFailed(self._budget.used_up())

    def _end(self, error: BaseException | None) -> None:
        process, self._process = self._process, None
        try:
            if process is not None and not isinstance(error, SandboxLost):
                process.end()
        except SandboxLost as lost:
            error = lost
            raise
        finally:
            if process is not None:
                process.abandon()
            self._stack.__exit__(type(error) if error else None, error, None)


@functools.cache
def refuse_platform() -> None:
    """Raises RewardError where this sandbox cannot be."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        raise RewardError(
            f"code: model code can be locked down on Linux on {' or '.join(ARCHITECTURES)} only, and this is "
            f"{sys.platform} on {platform.machine()}: run there, or give `remote` the address of a sandbox service"
        )


def _readable(data: bytes) -> int:
    """A descriptor that gives `data` and cannot be written to."""
    import fcntl

    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor
