"""Runs inside vLLM's worker: receives a policy through vLLM's weight-transfer interface and keeps a ledger of it.

vLLM's own transports only log tensors that did not arrive, and know no version of ours. The backends here are
registered with vLLM's factory: `policy` (the same process, or a safetensors folder) and `policy_ipc` (CUDA IPC).
This module is imported by name in the worker (`worker_extension_cls`), also where that is another process.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import safe_open
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
from vllm.distributed.weight_transfer.ipc_engine import IPCWeightTransferEngine, IPCWeightTransferUpdateInfo
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload

from grpo.rollout.engine import NEVER_SYNCED
from grpo.rollout.ledger import Ledger

POLICY_BACKEND = "policy"
IPC_BACKEND = "policy_ipc"


@dataclass
class PolicyInit(WeightTransferInitInfo):
    """No rendezvous: nothing to agree on."""


@dataclass
class PolicyUpdate(WeightTransferUpdateInfo):
    """One part of a policy. Exactly one of weights (an iterator, same process) and path (a safetensors file)."""

    version: int
    weights: Iterable[tuple[str, torch.Tensor]] | None = None
    path: str | None = None

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        if self.weights is not None:
            yield from self.weights
            return
        assert self.path is not None
        with safe_open(self.path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - a safetensors handle is no mapping
                yield name, file.get_tensor(name)


@dataclass
class PolicyIpcUpdate(IPCWeightTransferUpdateInfo):
    """CUDA IPC handles with the version of the policy they belong to."""

    version: int = NEVER_SYNCED


class _Accounting:
    """Version and ledger around any transport that loads checkpoint-format weights layer by layer."""

    model: torch.nn.Module
    model_config: Any
    version = NEVER_SYNCED
    ledger: Ledger | None = None
    _incoming = NEVER_SYNCED

    def start_weight_update(self) -> None:
        self.ledger = Ledger(self.model)
        initialize_layerwise_reload(self.model)
        self.ledger.begin()

    def finish_weight_update(self) -> None:
        assert self.ledger is not None
        self.ledger.end()
        with _quiet_reload():
            finalize_layerwise_reload(self.model, self.model_config)
        self.ledger.repack_tied()
        self.version = self._incoming

    def receipt(self) -> dict[str, Any]:
        ledger = self.ledger
        return {
            "version": self.version,
            "names": sorted(ledger.names) if ledger else [],
            "unreceived": ledger.unreceived if ledger else [],
        }


class PolicyTransfer(_Accounting, WeightTransferEngine[PolicyInit, PolicyUpdate]):
    """Weights from the same process (no copy until the engine's own) or from a safetensors file in shared memory."""

    init_info_cls = PolicyInit
    update_info_cls = PolicyUpdate
    supports_draft_weight_update = False

    def init_transfer_engine(self, init_info: PolicyInit) -> None:
        pass

    def receive_weights(self, update_info: PolicyUpdate) -> None:
        assert self.ledger is not None
        loaded = self.model.load_weights(self.ledger.watch(update_info.tensors()))  # type: ignore[operator]
        self.ledger.loaded(loaded)
        self._incoming = update_info.version

    def shutdown(self) -> None:
        pass


class PolicyIpcTransfer(_Accounting, IPCWeightTransferEngine):
    """vLLM's CUDA IPC transport with our ledger around it."""

    update_info_cls = PolicyIpcUpdate

    def finish_weight_update(self) -> None:
        super().finish_weight_update()
        self._packed_importer.close()

    def receive_weights(self, update_info: IPCWeightTransferUpdateInfo) -> None:
        assert self.ledger is not None and isinstance(update_info, PolicyIpcUpdate)
        with self.ledger.watching(self.model):
            super().receive_weights(update_info)
        self._incoming = update_info.version


@contextmanager
def _quiet_reload() -> Iterator[None]:
    """vLLM warns of a tied lm_head at every reload; the ledger accounts for it, so the warning says nothing new."""
    logger = logging.getLogger("vllm.model_executor.model_loader.reload.layerwise")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class PolicyWorker:
    """Mixed into vLLM's worker class, so that `collective_rpc` finds these methods."""

    def policy_receipt(self) -> dict[str, Any]:
        """Version and tensor names of the last finished sync."""
        return self.weight_transfer_engine.receipt()  # type: ignore[attr-defined]


WeightTransferEngineFactory.register_engine(POLICY_BACKEND, PolicyTransfer)
WeightTransferEngineFactory.register_engine(IPC_BACKEND, PolicyIpcTransfer)
