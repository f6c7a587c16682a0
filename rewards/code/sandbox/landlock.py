"""Landlock: the kernel's own list of what a process may still open, for processes of any user, without a container.

Here: read the standard library, and nothing else. No write, no creation, no execution; where the kernel knows them
(ABI 4 and 6), no TCP either, and no signal or abstract socket to the outside. In Linux since 5.13; see
https://docs.kernel.org/userspace-api/landlock.html for the numbers below.
"""

import ctypes
import os
import struct
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from rewards.code.sandbox import kernel

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, PATH_BENEATH = 1, 1
NEEDS = "needs Linux 5.13 or newer, built with it, and a container that allows it"
READ_FILE, READ_DIR = 1 << 2, 1 << 3
NOT_THE_LIBRARY = ("site-packages", "dist-packages", "test", "__pycache__")


def version() -> int:
    """Landlock's ABI of this kernel, 0 where there is none (or a container forbids it)."""
    try:
        return kernel.syscall(CREATE_RULESET, None, 0, VERSION_FLAG)
    except OSError:
        return 0


def make_ruleset(readable: Iterable[Path]) -> int:
    """A descriptor of rules under which only these files and folders can be read. Raises OSError."""
    abi = version()
    files = (1 << 13) - 1  # everything that ABI 1 knows
    for since, bit in ((2, 13), (3, 14), (5, 15)):  # rename between folders, truncate, device ioctl
        files |= (1 << bit) if abi >= since else 0
    attributes = struct.pack("=QQQ", files, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    attributes = attributes[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = kernel.syscall(CREATE_RULESET, ctypes.create_string_buffer(attributes), len(attributes), 0)
    for path in readable:
        _allow(ruleset, path)
    return ruleset


def _allow(ruleset: int, path: Path) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = READ_FILE | READ_DIR if path.is_dir() else READ_FILE
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place))
        kernel.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0)
    finally:
        os.close(place)


def restrict(ruleset: int) -> None:
    """From here on, for this process and whatever it starts. Needs no_new_privs. Raises OSError."""
    kernel.syscall(RESTRICT_SELF, ruleset, 0)


def standard_library() -> list[Path]:
    """The entries of the standard library one by one: other packages, which often lie inside its folder, are left
    out (a benchmark installed there may hold its solutions)."""
    folders = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    return [entry for folder in folders for entry in folder.iterdir() if entry.name not in NOT_THE_LIBRARY]
