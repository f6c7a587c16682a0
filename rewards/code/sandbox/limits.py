"""Resource limits of a candidate process, soft and hard alike, so that it cannot raise them again."""

import math
import resource
from pathlib import Path

OPEN_FILES = 32


def address_space() -> int:
    """Bytes of address space that this process occupies now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def put_on(seconds: float, memory: int, occupied: int) -> None:
    """seconds: of CPU, rounded up with one to spare: the judge keeps the exact deadline, this one holds where the
    judge is gone. memory: bytes beyond `occupied`, which is what the launcher occupies itself.

    RLIMIT_NPROC is left alone: it does not hold for root, and counts all processes of a user; seccomp denies fork.
    """
    cpu = math.ceil(seconds) + 1
    wanted = {
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_AS: occupied + memory,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
