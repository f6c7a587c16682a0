"""From a folder or hub name to a model and its tokenizer; what cannot be loaded becomes a UserError."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from grpo.atomic import write_folder
from grpo.errors import UserError
from grpo.models.path_attention import NAME as PATH_ATTENTION
from grpo.recipe.fields import Model

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ADAPTER_FILE = "adapter_config.json"


def load_pretrained(
    model: Model, path: str, *, dtype: str | None = None, device: torch.device | str = "cpu"
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """The causal language model at `path` in `dtype` (default: the recipe's compute dtype), and its tokenizer.

    `model` says how to load; its `revision` holds for its own path only. A folder that holds just a LoRA adapter is
    merged into the base it names, so that whoever trains on starts from plain weights.
    Raises UserError where the folder, the hub name or the architecture is not known.
    """
    folder = Path(path)
    try:
        if (folder / ADAPTER_FILE).is_file() and not (folder / "config.json").is_file():
            return _merged_adapter(model, folder, dtype, device)
        return _load_model(model, path, dtype).to(device), _load_tokenizer(model, path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot load a model from {path!r}: {error}",
            where="model.path",
            advice="give a folder written by save_pretrained, or a hub name that this machine can reach",
        ) from error


def save_pretrained(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """Writes both to `folder`, whole or not at all."""

    def write(place: Path) -> None:
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)

    write_folder(folder, write)


def _load_model(model: Model, path: str, dtype: str | None) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(
        path,
        dtype=getattr(torch, dtype or model.dtype),
        attn_implementation=PATH_ATTENTION if model.attn_implementation == "sdpa" else model.attn_implementation,
        **source_of(model, path),
    )


def _load_tokenizer(model: Model, path: str) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path, **source_of(model, path))


def source_of(model: Model, path: str) -> dict[str, Any]:
    """How transformers is to read `path`: the recipe's revision holds for the recipe's own path only."""
    return {
        "revision": (model.revision if path == model.path else None) or "main",
        "trust_remote_code": model.trust_remote_code,
    }


def _merged_adapter(
    model: Model, folder: Path, dtype: str | None, device: torch.device | str
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    from peft import PeftConfig, PeftModel

    base_path = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    if not base_path:
        raise UserError(f"the adapter in {folder} does not name its base model", where="model.path")
    base = _load_model(model, base_path, dtype)
    merged = PeftModel.from_pretrained(base, str(folder)).merge_and_unload()
    tokenizer_path = str(folder) if (folder / "tokenizer_config.json").is_file() else base_path
    return merged.to(device), _load_tokenizer(model, tokenizer_path)
