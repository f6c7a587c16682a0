"""Calls to the Linux kernel that Python has no function for."""

import ctypes
import os
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)

SET_DEATH_SIGNAL, SET_DUMPABLE, SET_SECCOMP, SET_NO_NEW_PRIVILEGES = 1, 4, 22, 38
CAPABILITY_VERSION_3 = 0x20080522


def prctl(option: int, second: int, third: int = 0) -> None:
    """Raises OSError."""
    words = [ctypes.c_ulong(word) for word in (second, third, 0, 0)]
    if _LIBC.prctl(ctypes.c_int(option), *words) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def syscall(number: int, *arguments: object) -> int:
    """Integers go as 64 bits, everything else as ctypes takes it. Raises OSError."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    _LIBC.syscall.restype = ctypes.c_long
    result: int = _LIBC.syscall(ctypes.c_long(number), *words)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"system call {number}: {os.strerror(error)}")
    return result


def drop_capabilities() -> None:
    """Even root keeps none: then only ownership of files counts for it, and Landlock stands before that."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
    nothing = ctypes.create_string_buffer(24)
    if _LIBC.capset(header, nothing) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"capset: {os.strerror(error)}")


def unshare(flags: int) -> None:
    """New namespaces for this process. Raises OSError where the kernel or the container forbids it."""
    if _LIBC.unshare(ctypes.c_int(flags)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"unshare: {os.strerror(error)}")
