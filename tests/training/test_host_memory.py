"""Whether freed tensors' memory stays with the process."""

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from grpo.training.host_memory import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.zeros(2**23)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
keep_freed_memory()
for _ in range(10):  # glibc leaves room for alignment at first: holes that are too small until they meet
    faults()
print(faults())
"""
PAGES = 4 * 2**23 // 4096  # of one tensor, and it is made four times


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no mallopt")
def test_pages_of_a_freed_tensor_are_its_successors() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) < PAGES // 4
