"""What torch.compile needs of the machine."""

import os
import shutil

import torch

from grpo.errors import UserError


def check_compiler(setting: str) -> None:
    """Raises UserError where torch.compile, which `setting` needs, would find no compiler: on a CPU it makes C++ code,
    on a GPU Triton makes its launcher in C."""
    variable, names = ("CC", ("clang", "gcc")) if torch.accelerator.is_available() else ("CXX", ("g++",))
    given = os.environ.get(variable)
    if not any(shutil.which(name) for name in ([given] if given else names)):
        raise UserError(
            f"torch.compile needs a compiler, and there is no {given or ' or '.join(names)}",
            where=setting,
            advice=f"install one, name one in the environment variable {variable}, or leave `{setting}` out",
        )
