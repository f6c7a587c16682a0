"""Checkpoints that are whole or not there: a folder, a manifest of checksums, one rename.

    checkpoints/step_000020/manifest.json   {"step": 20, "extra": {…}, "files": {"training.safetensors": {…}}}

A kill before the rename leaves a hidden leftover and the previous checkpoint the newest; a file that was cut or changed
afterwards no longer matches the manifest, and the checkpoint is named in the log and passed over.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo.atomic import TEMPORARY, remove_leftovers, sync_tree, write_atomic, write_folder

log = logging.getLogger("grpo")

MANIFEST = "manifest.json"
PREFIX = "step_"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint. extra: what the writer put beside the files."""

    step: int
    folder: Path
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_checkpoint(root: Path, step: int, write: Callable[[Path], None], extra: Mapping[str, Any]) -> Path:
    """Lets `write` fill a folder, seals it, and gives it its name under `root`; returns the folder.

    One writer per root. Leftovers of killed writers are removed first.
    """
    root.mkdir(parents=True, exist_ok=True)
    remove_leftovers(root)
    target = root / f"{PREFIX}{step:06d}"

    def sealed(folder: Path) -> None:
        write(folder)
        seal(folder, step=step, extra=extra)

    write_folder(target, sealed)
    return target


def seal(folder: Path, *, step: int | None = None, extra: Mapping[str, Any] | None = None) -> None:
    """Flushes every file of `folder` to the disk, then writes the manifest that makes it whole."""
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }
    sync_tree(folder)
    manifest = {"step": step, "extra": dict(extra or {}), "files": files}
    write_atomic(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())


def whole(folder: Path) -> bool:
    """True where every file the manifest lists is there with its size and checksum."""
    return fault(folder) is None


def fault(folder: Path, *, checksums: bool = True) -> str | None:
    """Why `folder` is not whole, or None. Without `checksums` only names and sizes are compared."""
    manifest = _read_manifest(folder)
    if manifest is None:
        return f"{MANIFEST} is missing or unreadable"
    for name, entry in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != entry["bytes"]:
            return f"{name} has {path.stat().st_size} bytes instead of {entry['bytes']}"
        if checksums and _sha256(path) != entry["sha256"]:
            return f"{name} does not match its checksum"
    return None


def newest_whole(root: Path) -> Checkpoint | None:
    """The checkpoint of the highest step that is whole; broken ones are named in a log line and passed over."""
    for step, folder in sorted(_numbered(root), reverse=True):
        reason = fault(folder)
        if reason is None:
            manifest = _read_manifest(folder)
            assert manifest is not None
            return Checkpoint(step, folder, manifest["extra"])
        log.warning("checkpoint %s is broken and passed over: %s", folder, reason)
    return None


def prune(root: Path, keep_last: int, best_step: int | None = None) -> None:
    """Keeps the last `keep_last` whole checkpoints and that of `best_step`; removes the others, broken ones included.

    A folder loses its name before its files, so that a kill in between leaves no half checkpoint.
    """
    kept = 0
    for step, folder in sorted(_numbered(root), reverse=True):
        intact = fault(folder, checksums=False) is None
        if intact and kept < keep_last:
            kept += 1
        elif not (intact and step == best_step):
            doomed = root / f".{folder.name}.old{TEMPORARY}"
            os.rename(folder, doomed)
            shutil.rmtree(doomed)


def steps_kept(root: Path) -> list[int]:
    """Steps of the checkpoints that are there, whole or not."""
    return sorted(step for step, _ in _numbered(root))


def _numbered(root: Path) -> list[tuple[int, Path]]:
    named = [(path.name.removeprefix(PREFIX), path) for path in root.glob(f"{PREFIX}*") if path.is_dir()]
    return [(int(number), path) for number, path in named if number.isdecimal()]


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError:
        return None
    return manifest if isinstance(manifest, dict) and isinstance(manifest.get("files"), dict) else None


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
