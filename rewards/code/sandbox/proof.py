"""Which guards this kernel has, and whether they hold: tried, not assumed.

A guard that the kernel refuses is *missing*; one that it takes and that then does not stop what it should (some
emulated kernels take a filter and ignore it) is *broken*. Both are found when the launcher starts, before any model
text, in a child that is locked down like every later one.
"""

import functools
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

from rewards.code.sandbox import kernel, landlock, limits
from rewards.code.sandbox.child import Guards, lock_down
from rewards.code.sandbox.seccomp import Filter

NAMES = ("landlock", "seccomp", "no_new_privs", "capabilities")


def make_guards(readable: list[Path]) -> tuple[Guards, dict[str, str]]:
    """The guards of this kernel, and the missing ones with the reason."""
    missing: dict[str, str] = {}
    guards = Guards(None, None)
    try:
        if landlock.version() < 1:
            raise OSError(landlock.NEEDS)
        guards.ruleset = landlock.make_ruleset(readable)
    except OSError as error:
        missing["landlock"] = str(error)
    guards.filter = Filter()
    for name, attempt in (("no_new_privs", _no_new_privileges), ("capabilities", kernel.drop_capabilities)):
        if (why := _in_a_child(attempt)) is not None:
            missing[name] = why
    if (why := _in_a_child(functools.partial(_filtered, guards.filter))) is not None:
        missing["seccomp"] = why
        guards.filter = None
    return guards, missing


def _no_new_privileges() -> None:
    kernel.prctl(kernel.SET_NO_NEW_PRIVILEGES, 1)


def _filtered(calls: Filter) -> None:
    _no_new_privileges()
    calls.put_on()


def broken(guards: Guards) -> dict[str, str]:
    """Guards that were put on and let something through."""
    launcher, occupied = os.getpid(), limits.address_space()

    def locked() -> None:
        lock_down(guards, launcher, 5, 2**28, occupied)
        os.write(report, json.dumps(_let_through(guards)).encode())

    answer, report = os.pipe()
    try:
        why = _in_a_child(locked)
        found: dict[str, str] = {"guards": why} if why is not None else json.loads(os.read(answer, 65_536) or b"{}")
        return found
    finally:
        os.close(answer)
        os.close(report)


def _let_through(guards: Guards) -> dict[str, str]:
    found = {}
    if guards.ruleset is not None and _works(lambda: os.close(os.open("/", os.O_RDONLY))):
        found["landlock"] = "a folder outside of the standard library could be opened"
    if guards.filter is not None:
        if _works(lambda: socket.socket().close()):
            found["seccomp"] = "a socket could be made"
        if _works(_fork):
            found["seccomp"] = "a process could be made"
    return found


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def _works(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _in_a_child(action: Callable[[], object]) -> str | None:
    """None, or what went wrong when a forked child did it."""
    answer, report = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except BaseException as error:
            os.write(report, f"{type(error).__name__}: {error}".encode()[:1000])
        finally:
            os._exit(1)
    os.close(report)
    _, status = os.waitpid(child, 0)
    message = os.read(answer, 1000).decode(errors="replace")
    os.close(answer)
    if status == 0:
        return None
    return message or f"the child ended with status {os.waitstatus_to_exitcode(status)}"
