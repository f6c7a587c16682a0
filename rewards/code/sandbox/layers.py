"""Layers around the guards, where the machine offers them: namespaces of the kernel, by themselves or by bubblewrap.

They are extra. Many containers forbid user namespaces, so nothing relies on them: the guards of `child` hold alone.
`bubblewrap`: the launcher and its children see a read-only file system, no process but their own
and no network. `namespaces`: no network and no shared memory of others, without another program.
"""

import functools
import shutil
import subprocess

LAYERS = ("none", "namespaces", "bubblewrap")
_BUBBLEWRAP = (
    "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
    "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--chdir", "/",
)  # fmt: skip


def outer_command(layer: str) -> list[str]:
    """What the launcher's command line begins with."""
    return [shutil.which("bwrap") or "bwrap", *_BUBBLEWRAP, "--"] if layer == "bubblewrap" else []


@functools.cache
def best_layer() -> str:
    """bubblewrap where it is installed and works here, else namespaces (which fall back to none by themselves)."""
    if shutil.which("bwrap") is None:
        return "namespaces"
    try:
        tried = subprocess.run([*outer_command("bubblewrap"), "true"], capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "namespaces"
    return "bubblewrap" if tried.returncode == 0 else "namespaces"
