"""Which of the engine's parameters a weight update really reached (vLLM only logs the ones it missed).

vLLM fuses tensors (q, k and v into `qkv_proj`), so "loaded" by name says nothing of a lost third. Its layer-wise reload
counts elements per layer; the ledger reads that count before the reload is finalised.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding
from vllm.model_executor.model_loader.reload.layerwise import get_layerwise_info


class Ledger:
    """One weight update. Order: make before the reload is initialised, `begin` after it, `watch` and `loaded` for each
    part, `end` before it is finalised, `repack_tied` after."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.names: set[str] = set()
        self.unreceived: list[str] = []
        self._model = model
        self._aliases = _aliases(model)
        self._loaded: set[str] = set()
        self._reports_loaded = True
        self._expected: set[str] = set()

    def begin(self) -> None:
        """The names the engine can receive: its parameters in checkpoint format, before packing for a kernel."""
        self._expected = {name for name, _ in self._model.named_parameters(remove_duplicate=False)}

    def watch(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in weights:
            self.names.add(name)
            yield name, tensor

    def loaded(self, names: Iterable[str] | None) -> None:
        """What `load_weights` returned; None: this architecture does not say, and element counts must do."""
        if names is None:
            self._reports_loaded = False
        else:
            self._loaded.update(names)

    @contextmanager
    def watching(self, model: torch.nn.Module) -> Iterator[None]:
        """`watch` for a transport that calls `model.load_weights` itself."""
        original = model.load_weights

        def load_weights(weights: Iterable[tuple[str, torch.Tensor]]) -> set[str] | None:
            names = original(self.watch(weights))  # type: ignore[operator]
            self.loaded(names)
            return names

        model.load_weights = load_weights  # type: ignore[assignment]
        try:
            yield
        finally:
            del model.load_weights

    def end(self) -> None:
        """Fill `unreceived` with parameters that got nothing, and layers that got a part."""
        tied = {name for group in self._aliases if group & self._loaded for name in group}
        if self._reports_loaded:
            self.unreceived += sorted(self._expected - self._loaded - tied)
        for name, layer in self._model.named_modules():
            info = get_layerwise_info(layer)
            if not info.can_load() or not info.load_numel:
                continue
            total = (info.load_numel_total or 0) - _vocabulary_padding(layer)
            if info.load_numel < total:
                self.unreceived.append(f"{name} (received {info.load_numel:,} of {total:,} elements)")

    def repack_tied(self) -> None:
        """Rebuild the kernel's copy of tied weights: a reload rebuilds it only for the layer that owns the tensor, and
        a tied lm_head would go on with the old embedding (log-probs off by nats, no error)."""
        for group in self._aliases:
            for name in group - self._loaded:
                layer = self._model.get_submodule(name.rpartition(".")[0])
                layer.quant_method.process_weights_after_loading(layer)  # type: ignore[union-attr, operator]


def _aliases(model: torch.nn.Module) -> list[set[str]]:
    """Groups of two or more parameter names that are one tensor."""
    groups: defaultdict[int, set[str]] = defaultdict(set)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        groups[id(parameter)].add(name)
    return [group for group in groups.values() if len(group) > 1]


def _vocabulary_padding(layer: torch.nn.Module) -> int:
    """Elements of a vocabulary layer that no checkpoint fills: its rows are padded to a multiple of 64."""
    if not isinstance(layer, VocabParallelEmbedding):
        return 0
    shard = layer.shard_indices
    padded_rows = shard.num_org_vocab_padding + shard.num_added_vocab_padding
    return padded_rows * layer.embedding_dim
