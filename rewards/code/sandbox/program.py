"""What runs in the locked-down process: the candidate's program, as functions to be called or as a script.

`serve` answers calls on the channel: `{"call": name, "path": [attributes], "args": …, "kwargs": …}` with
`{"value": …}` or `{"raised": [names of the exception's classes, message]}`. A result that is no literal stays here
under a number, which stands for it on the wire. Everything in this process may be changed by the candidate: it is
convenience, not protection. The guards are the kernel's, and the verdict is made elsewhere.
"""

import functools
import os
import struct
import sys
import types
from collections.abc import Callable
from typing import Any

from rewards.code import literals

LENGTH = struct.Struct("!I")


class Channel:
    """Frames on a descriptor: four bytes of length, then as many bytes."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def receive(self) -> bytes:
        return self._read(LENGTH.unpack(self._read(LENGTH.size))[0])

    def _read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = os.read(self.descriptor, count - len(data))
            if not part:
                os._exit(0)  # the judge has heard enough
            data += part
        return bytes(data)

    def send(self, payload: bytes) -> None:
        data = memoryview(LENGTH.pack(len(payload)) + payload)
        while data:
            data = data[os.write(self.descriptor, data) :]


class Functions:
    """The names that the sources define, to be called."""

    def __init__(self) -> None:
        self.module = types.ModuleType("candidate")
        self.kept: list[Any] = []

    def define(self, sources: list[str]) -> None:
        sys.modules["candidate"] = self.module
        for source in sources:
            exec(compile(source, "<candidate>", "exec"), self.module.__dict__)

    def call(self, request: dict[str, Any]) -> Any:
        target = request["call"]
        value = self.kept[target] if isinstance(target, int) else self.module.__dict__[target]
        for attribute in request["path"]:
            value = value() if attribute == "()" else getattr(value, attribute)
        return value if request["args"] is None else value(*request["args"], **request["kwargs"])

    def keep(self, value: Any) -> int:
        self.kept.append(value)
        return len(self.kept) - 1

    def kept_object(self, number: int, kind: str) -> Any:
        return self.kept[number]

    def answer(self, action: Callable[[], Any]) -> bytes:
        try:
            answer = literals.dumps({"value": action()}, self.keep)
            if len(answer) > literals.MAX_ANSWER:
                raise ValueError(f"the result takes more than {literals.MAX_ANSWER} bytes")
            return answer
        except BaseException as error:
            names = [kind.__name__ for kind in type(error).__mro__]
            return literals.dumps({"raised": [names, _message(error)]}, self.keep)


def _message(error: BaseException) -> str:
    try:
        return str.__str__(str(error))[:300]
    except BaseException:
        return ""


def serve(channel: Channel) -> None:
    """First frame: the sources; then calls, until the judge closes the channel."""
    functions = Functions()
    sources = literals.loads(channel.receive(), _no_handle)
    channel.send(functions.answer(lambda: functions.define(sources)))
    while True:
        request = literals.loads(channel.receive(), functions.kept_object)
        channel.send(functions.answer(functools.partial(functions.call, request)))


def _no_handle(number: int, kind: str) -> Any:
    raise literals.Malformed("no object was kept yet")


def serve_once(marker: str) -> None:
    """One call where no channel is: the request by stdin, the answer on stdout behind the marker."""
    data = sys.stdin.buffer.read()
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    functions = Functions()
    request = literals.loads(data, _no_handle)
    answer = functions.answer(lambda: functions.define(request["sources"]))
    if request["call"] is not None and b"raised" not in answer:
        answer = functions.answer(lambda: functions.call(request["call"]))
    view = memoryview(marker.encode() + answer)
    while view:
        view = view[os.write(answers, view) :]
    os._exit(0)


def script(source: str) -> int:
    """Run as `python file.py` would; the exit status."""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    try:
        exec(compile(source, "<candidate>", "exec"), module.__dict__)
        return 0
    except SystemExit as error:
        return 0 if error.code is None else error.code & 0xFF if isinstance(error.code, int) else 1
    except BaseException:
        return 1


def end_script(status: int) -> None:
    """What the interpreter does at its end, in its order: wait for threads, run atexit functions, flush."""
    import atexit
    import threading

    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        status = status or 1
    os._exit(status)
