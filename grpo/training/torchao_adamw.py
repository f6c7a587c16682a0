"""AdamW with less state: torchao's, whose step is compiled by torch.compile at the first update.

8-bit moments (Dettmers et al., arXiv 2110.02861): a byte a value, and an fp32 scale for every 256 of them. Weights of
fewer than 4096 values, or of a number that 256 does not divide, keep fp32 moments, as in bitsandbytes.
"""

import logging
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from grpo.errors import UserError
from grpo.recipe.rl_settings import RLSettings
from grpo.training.compiler import check_compiler

BLOCK, FEWEST = 256, 4096


def check_torchao(settings: RLSettings) -> None:
    """Raises UserError where the settings need torchao and it, or the compiler for its step, is not installed. Imports
    nothing."""
    if settings.optim != "adamw_torch_8bit":
        return
    if find_spec("torchao") is None:
        raise UserError(
            "8-bit optimizer states need the package `torchao`, which is not installed",
            where="optim",
            advice="pip install 'grpo[torchao]', or leave `optim` out",
        )
    check_compiler("optim")


def torchao_adamw(groups: list[dict[str, Any]], settings: RLSettings) -> torch.optim.Optimizer:
    """torchao's AdamW over groups of parameters, its state allocated. Raises UserError as `check_torchao` does."""
    check_torchao(settings)
    # At its import it warns of GPU kernels that it cannot load; none of them is used here.
    logging.getLogger("torchao").setLevel(logging.ERROR)
    from torchao.optim import AdamW8bit

    optimizer = AdamW8bit(
        groups,
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        block_size=BLOCK,
    )
    for group in groups:
        for weight in group["params"]:
            optimizer.state[weight] = {
                "step": torch.zeros((), dtype=torch.float32),
                "exp_avg": _zeros(weight, signed=True),
                "exp_avg_sq": _zeros(weight, signed=False),
            }
    return optimizer


def _zeros(weight: nn.Parameter, *, signed: bool) -> Tensor:
    from torchao.optim.subclass_8bit import OptimState8bit

    if weight.numel() < FEWEST or weight.numel() % BLOCK:
        return torch.zeros_like(weight, dtype=torch.float32)
    return OptimState8bit.zeros(weight.shape, signed, BLOCK, weight.device, dtype=torch.float32)
