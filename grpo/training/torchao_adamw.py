"""AdamW with less state: torchao's, whose step is compiled by torch.compile at the first update.

8-bit moments (Dettmers et al., arXiv 2110.02861): a byte a value, and an fp32 scale for every 256 of them. Weights of
fewer than 4096 values, or of a number that 256 does not divide, keep fp32 moments, as in bitsandbytes.

Stochastic rounding: weights in bf16 are updated in fp32 and rounded up or down with chances that keep the mean, so that
small updates are not lost but arrive as noise. Moments stay in fp32 (or 8 bits): in bf16 the second one, which changes
by a share of 1 - adam_beta2 at a time, would never fall.
"""

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from grpo.errors import UserError
from grpo.recipe.rl_settings import RLSettings
from grpo.training.compiler import check_compiler

BLOCK, FEWEST = 256, 4096  # as AdamW8bit has them


def needs_torchao(settings: RLSettings) -> str | None:
    """The setting that torchao is needed for."""
    if settings.optim == "adamw_torch_8bit":
        return "optim"
    return "stochastic_rounding" if settings.stochastic_rounding else None


def check_torchao(settings: RLSettings) -> None:
    """Raises UserError where the settings need torchao and it, or the compiler for its step, is not installed. Imports
    nothing."""
    setting = needs_torchao(settings)
    if setting is None:
        return
    if find_spec("torchao") is None:
        raise UserError(
            "the package `torchao` is needed, and it is not installed",
            where=setting,
            advice=f"pip install 'grpo[torchao]', or leave `{setting}` out",
        )
    check_compiler(setting)


def torchao_adamw(groups: list[dict[str, Any]], settings: RLSettings) -> torch.optim.Optimizer:
    """torchao's AdamW over groups of parameters, its state allocated. Raises UserError as `check_torchao` does.

    Where it rounds, it draws from the global generator of the weights' device.
    """
    check_torchao(settings)
    from torchao.optim import AdamW8bit, _AdamW

    quantised = settings.optim == "adamw_torch_8bit"
    optimizer = (AdamW8bit if quantised else _AdamW)(
        groups,
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        bf16_stochastic_round=bool(settings.stochastic_rounding),
    )
    for group in groups:
        for weight in group["params"]:
            optimizer.state[weight] = {
                "step": torch.zeros((), dtype=torch.float32),
                "exp_avg": _zeros(weight, quantised, signed=True),
                "exp_avg_sq": _zeros(weight, quantised, signed=False),
            }
    return optimizer


def _zeros(weight: nn.Parameter, quantised: bool, *, signed: bool) -> Tensor:
    if not quantised or weight.numel() < FEWEST or weight.numel() % BLOCK:
        return torch.zeros_like(weight, dtype=torch.float32)
    from torchao.optim.subclass_8bit import OptimState8bit

    return OptimState8bit.zeros(weight.shape, signed, BLOCK, weight.device, dtype=torch.float32)
