"""The weights that learn: fp32 masters under a policy that computes in bf16.

At a learning rate of 1e-6 rounding to bf16 loses 97 % of an update (a weight of 0.02 has neighbours 1e-4 apart), so the
optimizer works on fp32 copies and the policy gets them rounded. Gradients of every micro-batch are added up in fp32
too. Weights that are fp32 already (an fp32 policy, LoRA adapters) are their own masters. With stochastic rounding the
policy's bf16 weights are too: the optimizer must round then, and what is left in fp32 is the gradient.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Masters:
    """The weights that learn, by name. One per policy: it attaches hooks to the policy's parameters."""

    def __init__(self, model: nn.Module, *, stochastic_rounding: bool = False) -> None:
        self._trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._masters: dict[str, nn.Parameter] = {}
        for name, weight in self._trained.items():
            if weight.dtype == torch.float32 or stochastic_rounding:
                weight.grad_dtype = torch.float32
                self._masters[name] = weight
            else:
                self._masters[name] = _master_of(weight)

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        """Name → weight. Its `.grad` is fp32, the sum over the micro-batches since `zero_grad`."""
        return self._masters

    def zero_grad(self) -> None:
        for master in self._masters.values():
            master.grad = None

    def gradients(self) -> list[Tensor]:
        """fp32 gradients in the order of `weights`; zeros where no micro-batch reached a weight (an empty rank), so
        that every rank reduces and steps alike."""
        for master in self._masters.values():
            if master.grad is None:
                master.grad = torch.zeros_like(master, dtype=torch.float32)
        return [master.grad for master in self._masters.values() if master.grad is not None]

    @torch.no_grad()
    def publish(self) -> None:
        """Gives the policy its masters' values, rounded to its compute precision."""
        for name, master in self._masters.items():
            if self._trained[name] is not master:
                self._trained[name].copy_(master)


def _master_of(weight: nn.Parameter) -> nn.Parameter:
    master = nn.Parameter(weight.detach().float())

    def add_to_master(computed: Tensor) -> None:
        # Runs once per backward pass, when all uses of a weight (tied embeddings) are summed up.
        assert computed.grad is not None
        if master.grad is None:
            master.grad = computed.grad.float()
        else:
            master.grad += computed.grad
        computed.grad = None

    weight.register_post_accumulate_grad_hook(add_to_master)
    return master
