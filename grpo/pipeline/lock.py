"""One process tree at a time on a run folder, and what the folder says of the run as a whole."""

import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from grpo.errors import GuardError, UserError
from grpo.recipe.load import LoadedRecipe
from grpo.report.environment import record_launch

LEAST_ROOM = 2**16  # bytes


def is_main_process() -> bool:
    """True in the process that writes files: the only one, or rank 0 under `accelerate launch`."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def run_folder(root: Path, loaded: LoadedRecipe) -> Iterator[None]:
    """Holds the run folder's lock and writes `recipe.yaml` (resolved) and a line of `launches.jsonl`.

    The lock is the kernel's: it goes with the process, however that ends.
    """
    if not is_main_process():
        yield
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / ".lock").open("w") as handle:
            _hold(handle, root)
            record_launch(root, loaded.resolved, sys.argv)
            yield
    except PermissionError as error:
        raise _not_allowed(error, root) from error
    except (UserError, GuardError):
        raise
    except Exception as error:  # writers of other libraries say it in their own ways; named or not, it goes on
        full = full_disk(error, root)
        if full is not None:
            raise UserError(
                f"the disk is full: {error}",
                where=f"run_dir {root}" if full == root else str(full),
                advice="What was written whole is in place. Make room; the same command goes on from there.",
            ) from error
        raise


def _hold(handle: IO[str], root: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(
            "another process is working on this run folder",
            where=str(root),
            advice="Wait for it, stop it, or give this run another run_dir.",
        ) from error


def _not_allowed(error: PermissionError, root: Path) -> UserError:
    """Of the run folder where the error's file is within it, or is a folder that it was to be made in."""
    path = _file_of(error) or root
    if path.is_relative_to(root) or root.is_relative_to(path):
        return UserError(f"cannot write: {error}", where=f"run_dir {root}", advice="Give a run_dir you can write to.")
    return UserError(f"not allowed: {error.strerror}", where=str(path), advice="Let this user read and write it.")


def full_disk(error: Exception, root: Path) -> Path | None:
    """The folder on a full disk where that is why `error` was raised; None where it is not. The run folder `root`,
    unless the error names a file of another file system (such as shared memory or a cache)."""
    if isinstance(error, OSError):
        return _elsewhere(error, root) or root if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
    if os.strerror(errno.ENOSPC) in str(error):  # safetensors' own error
        return root
    return root if root.is_dir() and shutil.disk_usage(root).free < LEAST_ROOM else None


def _elsewhere(error: OSError, root: Path) -> Path | None:
    file = _file_of(error)
    folder = file.parent if file is not None else root
    there = folder.is_dir() and root.is_dir() and folder.stat().st_dev != root.stat().st_dev
    return folder if there else None


def _file_of(error: OSError) -> Path | None:
    return Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
