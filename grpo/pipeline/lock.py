"""One process tree at a time on a run folder, and what the folder says of the run as a whole."""

import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grpo.errors import UserError
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
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            record_launch(root, loaded.resolved, sys.argv)
            yield
    except BlockingIOError as error:
        raise UserError(
            "another process is working on this run folder",
            where=str(root),
            advice="Wait for it, stop it, or give this run another run_dir.",
        ) from error
    except PermissionError as error:
        raise UserError(
            f"cannot write: {error}", where=f"run_dir {root}", advice="Give a run_dir you can write to."
        ) from error
    except Exception as error:  # writers of other libraries say it in their own ways; named or not, it goes on
        if disk_is_full(error, root):
            raise UserError(
                f"the disk is full: {error}",
                where=f"run_dir {root}",
                advice="What was written whole is in place. Make room; the same command goes on from there.",
            ) from error
        raise


def disk_is_full(error: Exception, folder: Path) -> bool:
    """Whether this is why `error` was raised by something that writes below `folder`."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if os.strerror(errno.ENOSPC) in str(error):  # safetensors' own error
        return True
    return folder.is_dir() and shutil.disk_usage(folder).free < LEAST_ROOM
