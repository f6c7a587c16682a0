"""The policy's weights under the names its files use, LoRA merged on the fly, tied weights once.

The rollout engine and `save` read the same stream, so what is served is what was sampled from.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LORA_PARTS = (".lora_A.", ".lora_B.", ".lora_embedding_A.", ".lora_embedding_B.", ".lora_magnitude_vector.")
BASE_LAYER = ".base_layer"


def named_weights(model: "PreTrainedModel") -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of every weight and persistent buffer of `model`, as `save_pretrained` would name them.

    `model` is the bare transformers model; where peft put adapters into it, each adapted weight is merged at the
    moment it is handed on (W + scale·B·A in fp32, rounded once to W's dtype), so one merged tensor exists at a time.
    Tensors alias the model's memory except the merged ones: read them before the next update.
    """
    from transformers.core_model_loading import revert_weight_conversion

    if not getattr(model, "_weight_conversions", None):
        yield from _plain_names(model)
        return
    # Some architectures (experts fused in memory) are stored under other names than they compute with; turning them
    # back needs all parts of a tensor at once.
    yield from revert_weight_conversion(model, dict(_plain_names(model))).items()


def _plain_names(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    modules = dict(model.named_modules())
    seen: set[tuple[int, torch.Size]] = set()
    for name, tensor in model.state_dict().items():
        if any(part in name for part in LORA_PARTS):
            continue
        place = (tensor.data_ptr(), tensor.shape)
        if tensor.numel() and place in seen:  # tied: the file holds the first name only
            continue
        seen.add(place)
        adapters = list(_adapters_of(name, modules))
        yield name.replace(BASE_LAYER, ""), _merged(tensor, adapters) if adapters else tensor


def _adapters_of(name: str, modules: Mapping[str, nn.Module]) -> Iterator[nn.Module]:
    """peft's wrappers that adapt this very tensor. Several may lie around one module: each adapts its `weight`, or,
    around experts fused in memory, the parameter that it names."""
    path, _, leaf = name.rpartition(".")
    while path.endswith(BASE_LAYER):
        path = path.removesuffix(BASE_LAYER)
        if getattr(modules[path], "parameter_name", "weight") == leaf:
            yield modules[path]


@torch.no_grad()
def _merged(weight: Tensor, layers: list[nn.Module]) -> Tensor:
    merged = weight.float()
    for layer in layers:
        for adapter in layer.active_adapters:  # type: ignore[union-attr]
            merged = merged + layer.get_delta_weight(adapter).float()  # type: ignore[operator]
    return merged.to(weight.dtype)
