"""Seccomp: the list of system calls that the kernel still answers, written as BPF by hand so that no package is needed.

What is not listed fails with EPERM: no process, no socket, no signal, no namespace, no tracing, no change of a file or
of a limit. What a Python program needs for computing is listed; a few calls are allowed for some arguments only:
`open` for reading, `clone` for threads. A call by another ABI of the same processor (32-bit, x32) ends the process:
its numbers mean other calls. Numbers: the kernel's asm/unistd_64.h (x86-64) and asm-generic/unistd.h (aarch64).
"""

import ctypes
import platform
import struct
from collections.abc import Sequence

from rewards.code.sandbox import kernel

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_…
X32 = 0x40000000

# name: (number on x86-64, on aarch64); None where the processor has no such call
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "futex": (202, 98), "close": (3, 57), "fstat": (5, 80), "stat": (4, None),
    "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291), "lseek": (8, 62), "mmap": (9, 222),
    "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233), "brk": (12, 214),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "pread64": (17, 67), "readv": (19, 65), "writev": (20, 66), "access": (21, None), "faccessat": (269, 48),
    "faccessat2": (439, 439), "getdents64": (217, 61), "readlink": (89, None), "readlinkat": (267, 78),
    "getcwd": (79, 17), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "getpid": (39, 172),
    "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176),
    "getegid": (108, 177), "uname": (63, 160), "sysinfo": (99, 179), "getrusage": (98, 165), "times": (100, 153),
    "getrlimit": (97, 163), "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None), "getrandom": (318, 278),
    "set_robust_list": (273, 99), "rseq": (334, 293), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "getcpu": (309, 168), "exit": (60, 93), "exit_group": (231, 94), "poll": (7, None), "ppoll": (271, 73),
    "select": (23, None), "pselect6": (270, 72), "restart_syscall": (219, 128), "set_tid_address": (218, 96),
}  # fmt: skip
OPEN, OPENAT, CLONE, CLONE3, IOCTL, FCNTL, PRLIMIT = (2, None), (257, 56), (56, 220), (435, 435), (16, 29), (72, 25), (302, 261)  # fmt: skip  # noqa: E501

EPERM, EACCES, ENOTTY, ENOSYS = 1, 13, 25, 38
WRITING = 0x3 | 0x40 | 0x200 | 0x400000  # O_ACCMODE, O_CREAT, O_TRUNC, O_TMPFILE
THREAD = 0x100 | 0x800 | 0x10000  # CLONE_VM, CLONE_SIGHAND, CLONE_THREAD
OTHER_CLONES = 0x2000 | 0x8000 | 0x20000 | 0x7E000000  # PTRACE, PARENT, and the namespaces
IOCTLS = (0x5401, 0x5450, 0x5451)  # TCGETS (isatty), FIONCLEX, FIOCLEX
FCNTLS = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC

Instruction = tuple[int, int, int, int]  # code, jump where true, jump where false, operand
LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
NUMBER, ARCHITECTURE = 0, 4  # offsets in struct seccomp_data


def _load_argument(index: int, high: bool = False) -> Instruction:
    return (LOAD, 0, 0, 16 + 8 * index + (4 if high else 0))  # both processors are little-endian


def _allow() -> Instruction:
    return (RETURN, 0, 0, 0x7FFF0000)


def _fail(errno: int) -> Instruction:
    return (RETURN, 0, 0, 0x00050000 | errno)


def _end_process() -> Instruction:
    return (RETURN, 0, 0, 0x80000000)


def _one_of(argument: int, values: Sequence[int], errno: int) -> list[Instruction]:
    tests = [(EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_load_argument(argument), *tests, _fail(errno), _allow()]


def _bits(argument: int, mask: int, wanted: int, errno: int) -> list[Instruction]:
    return [_load_argument(argument), (AND, 0, 0, mask), (EQUAL, 1, 0, wanted), _fail(errno), _allow()]


def _only_reading_limits() -> list[Instruction]:
    """prlimit64(0, resource, NULL, …): of this process, no new limit."""
    zeros = [_load_argument(0), _load_argument(2), _load_argument(2, high=True)]
    body: list[Instruction] = []
    for load in zeros:
        body += [load, (EQUAL, 1, 0, 0), _fail(EPERM)]
    return [*body, _allow()]


def program(machine: str) -> list[Instruction]:
    """The filter for `x86_64` or `aarch64`. Raises KeyError for another processor."""
    architecture = ARCHITECTURES[machine]
    column = list(ARCHITECTURES).index(machine)
    code: list[Instruction] = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), _end_process()]
    code.append((LOAD, 0, 0, NUMBER))
    if machine == "x86_64":
        code += [(AT_LEAST, 0, 1, X32), _end_process()]
    bodies: list[tuple[tuple[int | None, int | None], list[Instruction]]] = [
        *((numbers, [_allow()]) for numbers in ALLOWED.values()),
        (OPENAT, _bits(2, WRITING, 0, EACCES)),
        (OPEN, _bits(1, WRITING, 0, EACCES)),
        (IOCTL, _one_of(1, IOCTLS, ENOTTY)),
        (FCNTL, _one_of(1, FCNTLS, EPERM)),
        (PRLIMIT, _only_reading_limits()),
        (CLONE, _bits(0, THREAD | OTHER_CLONES, THREAD, EPERM)),
        (CLONE3, [_fail(ENOSYS)]),  # its arguments lie in memory, where no filter looks: libc falls back to clone
    ]
    for numbers, body in bodies:
        number = numbers[column]
        if number is not None:
            code += [(EQUAL, 0, len(body), number), *body]
    return [*code, _fail(EPERM)]


class Filter:
    """The program in the memory layout that the kernel takes. Made once, put on by each process."""

    def __init__(self) -> None:
        code = program(platform.machine())
        packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
        self._code = ctypes.create_string_buffer(packed, len(packed))
        self._program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(self._code)))

    def put_on(self) -> None:
        """For good. Needs no_new_privs. Raises OSError where the kernel has no seccomp filters."""
        kernel.prctl(kernel.SET_SECCOMP, 2, ctypes.addressof(self._program))
