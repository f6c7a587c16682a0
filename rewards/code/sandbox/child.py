"""From a fork of the launcher to a locked-down candidate process, in order: descriptors, limits, then the guards.

Nothing of the candidate is read before the last guard holds. What the process is left with: its program and calls on
descriptor 3, stdin, stdout, an empty environment, and the standard library to read.
"""

import fcntl
import os
import random
import signal
import sys
from dataclasses import dataclass, field

from rewards.code.sandbox import kernel, landlock, limits
from rewards.code.sandbox.seccomp import Filter

CHANNEL = 3
_FORGOTTEN: list[object] = []  # holding them costs nothing; taking them apart would cost a millisecond


@dataclass
class Guards:
    """What the launcher made ready once, for all its children. None, or a name in `skipped`: the kernel lacks it and
    the user allows to go on."""

    ruleset: int | None
    filter: Filter | None
    skipped: set[str] = field(default_factory=set)


def lock_down(guards: Guards, launcher: int, seconds: float, memory: int, occupied: int) -> None:
    """Put every guard on this process. Raises OSError where one does not take."""
    kernel.prctl(kernel.SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != launcher:  # it died before the line above
        os._exit(1)
    limits.put_on(seconds, memory, occupied)
    if "capabilities" not in guards.skipped:
        kernel.drop_capabilities()
    kernel.prctl(kernel.SET_DUMPABLE, 0)
    if "no_new_privs" not in guards.skipped:
        kernel.prctl(kernel.SET_NO_NEW_PRIVILEGES, 1)
    if guards.ruleset is not None:
        landlock.restrict(guards.ruleset)
        os.close(guards.ruleset)
    if guards.filter is not None:
        guards.filter.put_on()


def take_descriptors(channel: int, stdin: int, stdout: int, ruleset: int | None) -> int | None:
    """0 stdin, 1 stdout, 2 nothing, 3 the channel, 4 the ruleset until it is put on; all others are closed. Returns
    where the ruleset is now."""
    wanted = [stdin, stdout, os.open(os.devnull, os.O_WRONLY), channel] + ([] if ruleset is None else [ruleset])
    # Out of the way first, so that no dup2 below closes one that is still to be moved.
    lifted = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, len(wanted)) for descriptor in wanted]
    for place, descriptor in enumerate(lifted):
        os.dup2(descriptor, place, inheritable=True)
    os.closerange(len(wanted), 4096)
    return None if ruleset is None else len(wanted) - 1


def forget_the_launcher(ours: list[str]) -> None:
    """The candidate finds neither this package, whose modules are `ours`, nor a way to import it."""
    _FORGOTTEN.extend(sys.modules.pop(name) for name in ours)
    random.seed(0)  # Python seeds it anew in each fork, and a replay must give the same
    signal.signal(signal.SIGINT, signal.default_int_handler)
