"""Memory that tensors on a CPU come from.

glibc hands large blocks back to the kernel when they are freed, and the kernel gives them anew, page by page and
zeroed, for the next micro-batch: half a million page faults in an update of a small model, of which this spares more
than half (`tests/benchmarks/faults.py`).
"""

import ctypes

LARGEST_KEPT = 2**26  # bytes of one block; larger ones go back, for a hole of theirs adds to the peak what it is large
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_freed_memory() -> None:
    """From here on, freed blocks stay with this process for its next tensors. The process keeps about the most that it
    ever held. Nothing happens where the C library has no `mallopt` (it is glibc's)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, -1)
