"""Files and folders that are there whole or not at all, whenever the process is killed.

The pattern is: write beside the target, flush to the disk, rename over it, flush the folder that holds the name.
A kill before the rename leaves the old content; leftovers carry the suffix `.tmp` and are nobody's data.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

TEMPORARY = ".tmp"


def write_atomic(path: Path, data: bytes) -> None:
    """`path` holds `data`, or what it held before. Its folder must exist."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def write_folder(target: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a new folder beside `target`, then gives it that name (see `replace_folder`). One writer."""
    unfinished = target.with_name(f".{target.name}{TEMPORARY}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write(unfinished)
    replace_folder(unfinished, target)


def replace_folder(ready: Path, target: Path) -> None:
    """Moves the finished folder `ready` to `target`; both lie on one file system.

    Every file of `ready` is on the disk before it takes the name. Where `target` exists it is moved aside first (a
    folder cannot be renamed over a full one), so a kill between the two renames leaves no `target`: whoever needs one
    at every moment keeps two names, as checkpoints do.
    """
    sync_tree(ready)
    aside = target.with_name(f".{target.name}.{os.getpid()}.old{TEMPORARY}")
    shutil.rmtree(aside, ignore_errors=True)
    if target.exists():
        os.rename(target, aside)
    os.rename(ready, target)
    sync_folder(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def sync_tree(folder: Path) -> None:
    """Flushes every file and folder under `folder` to the disk."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with open(Path(parent, name), "rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(parent))


def sync_folder(folder: Path) -> None:
    """Flushes the names in `folder` (a rename lasts only once its folder is on the disk)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Removes what killed writers left directly in `folder`."""
    for leftover in folder.glob(f".*{TEMPORARY}"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
