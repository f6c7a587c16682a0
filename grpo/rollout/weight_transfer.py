"""The trainer's side of a weight sync to vLLM: three ways to carry a policy, one protocol (start, parts, finish).

- in this process: the tensors themselves (a CUDA IPC handle does not open in the process that exported it);
- to a process of its own on CPU: safetensors files in shared memory, bounded in size, deleted once read;
- to a process of its own on a GPU: vLLM's CUDA IPC engine, in packed chunks.

The version rides with every part, so that an engine which got nothing still says the old one.
"""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from grpo.rollout.engine import SyncReceipt
from grpo.rollout.vllm_start import PICKLED_MESSAGES, Placement, environment

if TYPE_CHECKING:
    from vllm import LLM

NamedWeights = Iterable[tuple[str, torch.Tensor]]

PART_BYTES = 2**29


class Transport(Protocol):
    def send(self, llm: "LLM", weights: NamedWeights, version: int) -> None:
        """Deliver a whole policy; on return the engine samples with it."""
        ...


class InProcess:
    """Hands over an iterator: LoRA merges one layer at a time, and nothing is copied before the engine's own copy."""

    def send(self, llm: "LLM", weights: NamedWeights, version: int) -> None:
        llm.start_weight_update()
        detached = ((name, tensor.detach()) for name, tensor in weights)
        llm.update_weights({"update_info": {"version": version, "weights": detached}})
        llm.finish_weight_update()


class SharedMemory:
    """Safetensors files of at most PART_BYTES (a larger tensor is a part alone) in /dev/shm where there is one."""

    def send(self, llm: "LLM", weights: NamedWeights, version: int) -> None:
        shared = Path("/dev/shm")
        with tempfile.TemporaryDirectory(prefix="grpo-sync-", dir=shared if shared.is_dir() else None) as folder:
            path = str(Path(folder) / "part.safetensors")
            llm.start_weight_update()
            for part in in_parts(weights, PART_BYTES):
                _save(part, path)
                llm.update_weights({"update_info": {"version": version, "path": path}})
            llm.finish_weight_update()


def _save(part: Mapping[str, torch.Tensor], path: str) -> None:
    """safetensors' own error does not say which file did not fit, and shared memory is not the run folder's disk."""
    try:
        save_file(dict(part), path)
    except SafetensorError as error:
        if os.strerror(errno.ENOSPC) in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path) from error
        raise


class CudaIpc:
    """vLLM's own trainer engine for CUDA IPC, packed; our client adds the version to each part."""

    def send(self, llm: "LLM", weights: NamedWeights, version: int) -> None:
        from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo, IPCTrainerWeightTransferEngine

        engine = IPCTrainerWeightTransferEngine.trainer_init(
            IPCTrainerInitInfo(rank=0, packed=True),
            client=_VersionedClient(llm, version),
            source=_once_through(weights),
        )
        with environment(PICKLED_MESSAGES):
            engine.send_weights()


class _VersionedClient:
    """vLLM's weight-sync client protocol over a local `LLM`."""

    def __init__(self, llm: "LLM", version: int) -> None:
        self._llm, self._version = llm, version

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        self._llm.init_weight_transfer_engine({"init_info": init_info})

    def start_weight_update(self) -> None:
        self._llm.start_weight_update()

    def update_weights(self, update_info: Any) -> None:
        self._llm.update_weights({"update_info": {**update_info, "version": self._version}})

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        self._llm.finish_weight_update(weight_version)


def _once_through(weights: NamedWeights) -> Any:
    from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource

    class OncePassed(WeightSource):
        def metadata(self) -> list[ParamMeta]:
            raise NotImplementedError("packed CUDA IPC sizes its parts as they pass")

        def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
            return ((name, tensor.detach()) for name, tensor in weights)

    return OncePassed()


def transport_for(placement: Placement) -> Transport:
    if not placement.own_process:
        return InProcess()
    return CudaIpc() if placement.gpu else SharedMemory()


def in_parts(weights: NamedWeights, part_bytes: int) -> Iterator[dict[str, torch.Tensor]]:
    """Consecutive tensors in dicts of at most part_bytes bytes, at least one tensor each, on the CPU."""
    part: dict[str, torch.Tensor] = {}
    size = 0
    for name, tensor in weights:
        if part and size + tensor.nbytes > part_bytes:
            yield part
            part, size = {}, 0
        # clone: safetensors refuses tensors that share storage, and views of fused weights do
        part[name] = tensor.detach().to("cpu", copy=True).contiguous()
        size += tensor.nbytes
    if part:
        yield part


def read_receipt(llm: "LLM", checkpoint: frozenset[str]) -> SyncReceipt:
    """What every worker received.

    checkpoint: tensor names of the folder the engine started from. Where all of them arrived, a layer that counts fewer
    elements than it holds is padded, not short; where some did not, they are named beside the engine's own names.
    """
    receipts = llm.collective_rpc("policy_receipt")
    names = frozenset.intersection(*(frozenset(receipt["names"]) for receipt in receipts))
    unreceived = sorted({entry for receipt in receipts for entry in receipt["unreceived"]})
    absent = sorted(checkpoint - names)
    if unreceived and checkpoint and not absent:
        unreceived = [entry for entry in unreceived if not entry.endswith(" elements)")]
    elif unreceived:
        unreceived = absent + unreceived
    return SyncReceipt(min(receipt["version"] for receipt in receipts), names, tuple(unreceived))


def checkpoint_names(folder: str) -> frozenset[str]:
    """Names of every tensor in the safetensors files of a folder; empty where it has none (or is a hub name)."""
    names: set[str] = set()
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            names.update(file.keys())
    return frozenset(names)
