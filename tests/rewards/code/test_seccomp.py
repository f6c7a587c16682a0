"""The filter, run by an interpreter of its instructions, for both processors wherever the tests run."""

import pytest

from rewards.code.sandbox import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
X86, ARM = "x86_64", "aarch64"


def run(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter returns for one system call."""
    words = {0: number, 4: seccomp.ARCHITECTURES[machine] if architecture is None else architecture}
    for index, argument in enumerate([*arguments, *[0] * (6 - len(arguments))]):
        words[16 + 8 * index], words[20 + 8 * index] = argument & 0xFFFFFFFF, argument >> 32 & 0xFFFFFFFF
    code, place, accumulator = seccomp.program(machine), 0, 0
    while True:
        kind, if_true, if_false, operand = code[place]
        place += 1
        if kind == seccomp.LOAD:
            accumulator = words[operand]
        elif kind == seccomp.AND:
            accumulator &= operand
        elif kind == seccomp.EQUAL:
            place += if_true if accumulator == operand else if_false
        elif kind == seccomp.AT_LEAST:
            place += if_true if accumulator >= operand else if_false
        else:
            assert kind == seccomp.RETURN
            return operand


def errno(result: int) -> int:
    assert result >> 16 == 5
    return result & 0xFFFF


@pytest.mark.parametrize(("machine", "column"), [(X86, 0), (ARM, 1)])
def test_what_computing_needs_is_allowed(machine: str, column: int) -> None:
    for name, numbers in seccomp.ALLOWED.items():
        number = numbers[column]
        assert number is None or run(machine, number) == ALLOW, name


@pytest.mark.parametrize(
    ("machine", "denied"),
    [
        # fork vfork execve kill socket connect ptrace mount unshare setns bpf io_uring_setup prctl setrlimit tgkill
        (X86, [57, 58, 59, 62, 41, 42, 101, 165, 272, 308, 321, 425, 157, 160, 234, 9999, 0x3FFFFFFF]),
        (ARM, [221, 129, 198, 203, 117, 40, 97, 268, 280, 425, 167, 164, 131, 9999, 0x3FFFFFFF]),
    ],
)
def test_what_is_not_listed_is_denied(machine: str, denied: list[int]) -> None:
    assert {errno(run(machine, number)) for number in denied} == {seccomp.EPERM}


@pytest.mark.parametrize(("machine", "number"), [(X86, seccomp.OPENAT[0]), (ARM, seccomp.OPENAT[1])])
def test_files_are_opened_for_reading_only(machine: str, number: int) -> None:
    assert run(machine, number, 0, 0, 0o2000000) == ALLOW  # O_CLOEXEC
    for flags in (1, 2, 3, 0o100, 0o1000, 0o20000000 | 0o200000, 0o2000001):
        assert errno(run(machine, number, 0, 0, flags)) == seccomp.EACCES


@pytest.mark.parametrize(("machine", "number", "three"), [(X86, 56, 435), (ARM, 220, 435)])
def test_threads_and_no_processes(machine: str, number: int, three: int) -> None:
    glibc_thread = 0x3D0F00
    assert run(machine, number, glibc_thread) == ALLOW
    for flags in (17, 0x100 | 17, 0x100 | 0x4000 | 17, 0x900, glibc_thread | 0x10000000, glibc_thread | 0x2000, 0):
        assert errno(run(machine, number, flags)) == seccomp.EPERM
    assert errno(run(machine, three)) == seccomp.ENOSYS


@pytest.mark.parametrize(("machine", "number"), [(X86, 302), (ARM, 261)])
def test_limits_are_read_of_this_process_and_never_set(machine: str, number: int) -> None:
    assert run(machine, number, 0, 7, 0, 0x7FFF00001000) == ALLOW
    for arguments in [(1, 7, 0, 0), (0, 7, 0x1000, 0), (0, 7, 0x100000000, 0)]:
        assert errno(run(machine, number, *arguments)) == seccomp.EPERM


def test_other_calling_conventions_end_the_process() -> None:
    assert run(X86, 0x40000000 | 39) == KILL  # getpid of x32
    assert run(X86, 39, architecture=0x40000003) == KILL  # i386
    assert run(ARM, 172, architecture=0x40000028) == KILL  # 32-bit ARM


@pytest.mark.parametrize(("machine", "ioctl", "fcntl"), [(X86, 16, 72), (ARM, 29, 25)])
def test_terminals_and_owners_of_descriptors(machine: str, ioctl: int, fcntl: int) -> None:
    assert run(machine, ioctl, 0, 0x5401) == ALLOW
    assert errno(run(machine, ioctl, 0, 0x5412)) == seccomp.ENOTTY  # TIOCSTI
    assert run(machine, fcntl, 0, 1) == ALLOW
    assert errno(run(machine, fcntl, 0, 8)) == seccomp.EPERM  # F_SETOWN
    assert errno(run(machine, fcntl, 0, 4)) == seccomp.EPERM  # F_SETFL


def test_the_kernel_takes_programs_of_this_length() -> None:
    assert all(len(seccomp.program(machine)) < 4096 for machine in (X86, ARM))
    assert all(jump < 256 for machine in (X86, ARM) for _, a, b, _ in seccomp.program(machine) for jump in (a, b))
