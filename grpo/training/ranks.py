"""What the ranks of a data-parallel run exchange: gradients once per update, figures once per round.

No wrapper around the model: denominators are global, so a rank's gradient is its exact share and a plain sum is the
update's gradient, whatever each rank forwarded. An empty rank contributes zeros.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from grpo.errors import GuardError, UserError

if TYPE_CHECKING:
    from accelerate import Accelerator, PartialState

REPLICATED = {"NO", "MULTI_CPU", "MULTI_GPU", "MULTI_XPU", "MULTI_NPU", "MULTI_MLU", "MULTI_HPU", "XLA"}
BUCKET_BYTES = 64 * 2**20


class Ranks:
    """This process's place among all. `accelerator` None: the only one."""

    def __init__(self, accelerator: "Accelerator | PartialState | None") -> None:
        kind = "NO" if accelerator is None else str(getattr(accelerator.distributed_type, "value", "NO"))
        if kind not in REPLICATED:
            raise UserError(
                f"accelerate is set to {kind}, which shards the policy; the trainer keeps a whole policy on each rank",
                where="accelerate config",
                advice="launch with `accelerate launch --multi_gpu` (or --cpu), without FSDP or DeepSpeed",
            )
        self.count: int = accelerator.num_processes if accelerator is not None else 1
        self.index: int = accelerator.process_index if accelerator is not None else 0

    def sum_in_place(self, tensors: Sequence[Tensor]) -> None:
        """Every rank's tensors become the sum over ranks, in buckets of 64 MiB."""
        if self.count == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            torch.distributed.all_reduce(flat)
            parts = flat.split([tensor.numel() for tensor in bucket])
            for tensor, part in zip(bucket, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def gather(self, value: Any) -> list[Any]:
        """One value of each rank, in order of ranks, on all of them."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values

    def check_alike(self, weights: Mapping[str, Tensor]) -> None:
        """Raises GuardError where ranks would train different policies."""
        if self.count == 1:
            return
        digest = [(name, tensor.double().sum().item()) for name, tensor in weights.items()]
        for rank, other in enumerate(self.gather(digest)):
            if other != digest:
                names = [name for (name, ours), (_, theirs) in zip(digest, other, strict=False) if ours != theirs]
                raise GuardError(f"ranks {self.index} and {rank} hold different weights, the first is {names[:1]}")


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if bucket and size + tensor.nbytes > BUCKET_BYTES:
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.nbytes
    if bucket:
        yield bucket
