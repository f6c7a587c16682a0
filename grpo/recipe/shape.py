"""The sizes of a model, from files on disk alone: `config.json`, and the headers of its safetensors files."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from grpo.recipe.fields import Model, TinyModel

# Characters, tags and markers of the tokenizer that comes with `model.tiny` (grpo/models/characters.py).
TINY_VOCABULARY = 104


@dataclass(frozen=True)
class ModelShape:
    """parameters: exact where weights are on disk, else counted from the configuration. key_value_size: elements that
    one token adds to the KV cache in one layer. context: max_position_embeddings."""

    parameters: int
    layers: int
    hidden_size: int
    intermediate_size: int
    key_value_size: int
    vocabulary: int
    context: int | None


def model_shape(model: Model, base: Path) -> ModelShape | None:
    """The shape of the recipe's model; None where its files are not on this machine or are not understood."""
    if model.tiny is not None:
        return _from_config(_tiny_config(model.tiny), None)
    folder = model_folder(model, base)
    return shape_of_folder(folder) if folder is not None else None


def shape_of_folder(folder: Path) -> ModelShape | None:
    """The shape of the model in a `from_pretrained` folder; None where it has no configuration that is understood."""
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return None
    return _from_config(config, _count_stored(folder)) if isinstance(config, dict) else None


def model_folder(model: Model, base: Path) -> Path | None:
    """The local folder of `model.path`: beside the recipe, in the working directory, or in the hub's cache."""
    if model.path is None:
        return None
    given = Path(model.path).expanduser()
    for folder in (base / given, given):
        if folder.is_dir():
            return folder.resolve()
    return _cached_snapshot(model.path, model.revision or "main")


def _cached_snapshot(name: str, revision: str) -> Path | None:
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    stored = cache / f"models--{name.replace('/', '--')}"
    reference = stored / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = stored / "snapshots" / commit
    return snapshot if (snapshot / "config.json").is_file() else None


def _tiny_config(tiny: TinyModel) -> dict[str, Any]:
    return {
        "num_hidden_layers": tiny.layers,
        "hidden_size": tiny.hidden_size,
        "intermediate_size": tiny.intermediate_size,
        "num_attention_heads": tiny.heads,
        "num_key_value_heads": tiny.kv_heads,
        "vocab_size": TINY_VOCABULARY,
        "max_position_embeddings": tiny.max_position_embeddings,
        "tie_word_embeddings": tiny.tie_word_embeddings,
    }


def _from_config(config: Mapping[str, Any], stored: int | None) -> ModelShape | None:
    config = config.get("text_config") or config
    try:
        layers, hidden = int(config["num_hidden_layers"]), int(config["hidden_size"])
        heads, vocabulary = int(config["num_attention_heads"]), int(config["vocab_size"])
    except (KeyError, TypeError, ValueError):
        return None
    head_size = int(config.get("head_dim") or hidden // heads)
    key_value = 2 * head_size * int(config.get("num_key_value_heads") or heads)
    if config.get("kv_lora_rank"):  # multi-head latent attention caches one compressed vector a token
        key_value = int(config["kv_lora_rank"]) + int(config.get("qk_rope_head_dim") or 0)
    intermediate = int(config.get("intermediate_size") or 4 * hidden)
    experts = config.get("num_experts") or config.get("n_routed_experts") or config.get("num_local_experts")
    if stored is None and experts:
        return None  # how experts are shared out differs by architecture: a count from here would be a guess
    embeddings = vocabulary * hidden * (1 if config.get("tie_word_embeddings", False) else 2)
    attention = hidden * heads * head_size * 2 + hidden * key_value
    counted = embeddings + layers * (attention + 3 * hidden * intermediate + 2 * hidden) + hidden
    context = config.get("max_position_embeddings")
    return ModelShape(
        parameters=stored or counted,
        layers=layers,
        hidden_size=hidden,
        intermediate_size=intermediate,
        key_value_size=key_value,
        vocabulary=vocabulary,
        context=int(context) if context else None,
    )


def _count_stored(folder: Path) -> int | None:
    """Elements in all safetensors files, from their headers: eight bytes of length, then JSON."""
    total = 0
    for path in folder.glob("*.safetensors"):
        try:
            with path.open("rb") as handle:
                header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
            total += sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
        except (OSError, ValueError, KeyError, TypeError, MemoryError):
            return None
    return total or None
