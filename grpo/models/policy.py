"""The policy that a stage trains: compute weights, tokenizer, end-of-sequence ids, reference, adapters.

Weights here have the compute precision (bf16 or fp32). What learns is fp32: the masters of `training`, or LoRA
adapters, which are fp32 themselves.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from grpo.errors import UserError
from grpo.models.head import bare, decoder_layers
from grpo.models.pretrained import load_pretrained
from grpo.models.reading import end_of_sequence_ids
from grpo.models.weights import named_weights
from grpo.recipe.fields import Lora, Model
from grpo.seeds import derive_seed

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger("grpo")


class Policy:
    """A causal language model with what training and rollouts need to know of it.

    model: a transformers model, or a peft model around it. Always in eval mode: dropout would make the importance
        ratio of one and the same policy differ from 1.
    eos_ids: every id that ends a sequence: the generation config's and the tokenizer's.
    adapted: True where LoRA adapters learn and the base is frozen. They are new when the stage begins, so switching
        them off gives the reference.
    """

    def __init__(self, model: nn.Module, tokenizer: "PreTrainedTokenizerBase", settings: Model) -> None:
        self.model, self.tokenizer, self._settings = model, tokenizer, settings
        self.adapted = hasattr(model, "disable_adapter")
        self.eos_ids = end_of_sequence_ids(bare(model).generation_config, tokenizer)
        self._reference: nn.Module | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Compute precision."""
        return bare(self.model).dtype

    @property
    def context_length(self) -> int | None:
        """Longest sequence the model was made for, in tokens; None where its config does not say."""
        return getattr(bare(self.model).config.get_text_config(), "max_position_embeddings", None)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def named_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Every weight under the name the model's files use, LoRA merged on the fly, tied weights once."""
        return named_weights(bare(self.model))

    def load_reference(self, path: str, *, of_its_own: bool = False) -> None:
        """Loads the frozen copy that `reference()` yields. With LoRA there is nothing to load, the adapter is switched
        off, unless the reference is another policy than the one that the adapters started from (`of_its_own`).

        Raises UserError where the reference reads other tokens than the policy.
        """
        if self.adapted and not of_its_own:
            return
        self._reference = None  # the old one goes before the new one comes
        settings = self._settings.model_copy(update={"revision": None}) if of_its_own else self._settings
        reference, tokenizer = load_pretrained(settings, path, device=self.device)
        if tokenizer.get_vocab() != self.tokenizer.get_vocab():
            raise UserError(
                f"the reference {path} has another vocabulary than the policy: log-probs of tokens cannot be compared",
                where="reference",
                advice="Distil into another family by `sft` on the teacher's traces.",
            )
        self._reference = reference.eval().requires_grad_(False)

    @contextmanager
    def reference(self) -> Iterator[nn.Module]:
        """The model to forward as the reference; forward it under `torch.no_grad()`."""
        if self._reference is not None:
            yield self._reference
        elif self.adapted:
            with self.model.disable_adapter():  # type: ignore[operator]
                yield self.model
        else:
            raise RuntimeError("load_reference(path) comes before reference()")

    def save(self, folder: Path) -> None:
        """Writes a plain `from_pretrained` folder: weights in the compute precision (LoRA merged), configuration,
        generation configuration, tokenizer; with LoRA also `adapter/`, peft's own format."""
        from huggingface_hub import save_torch_state_dict

        folder.mkdir(parents=True, exist_ok=True)
        causal = bare(self.model)
        weights = {name: _alone(tensor) for name, tensor in self.named_weights()}
        save_torch_state_dict(weights, folder, metadata={"format": "pt"})
        causal.config.save_pretrained(folder)
        if causal.generation_config is not None:
            causal.generation_config.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        if self.adapted:
            self.model.save_pretrained(folder / "adapter")  # type: ignore[operator]


def load_policy(
    model: Model,
    path: str,
    *,
    lora: Lora | None = None,
    gradient_checkpointing: bool = False,
    device: torch.device | str = "cpu",
) -> Policy:
    """The policy at `path`, ready to be trained: all weights, or new LoRA adapters on frozen ones.

    model: how to load (dtype, attention, revision); `path` is a `from_pretrained` folder or hub name.
    Raises UserError where it cannot be loaded, has no end-of-sequence token, or has no layer to adapt.
    """
    causal, tokenizer = load_pretrained(model, path, device=device)
    trained: nn.Module = causal.eval()
    if lora is not None:
        trained = _adapt(causal, lora)
    if gradient_checkpointing:
        _checkpoint_layers(causal)
    return Policy(trained, tokenizer, model)


def lora_config(lora: Lora) -> "LoraConfig":
    """peft's settings for ours."""
    from peft import LoraConfig

    targets = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    return LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )


def _alone(tensor: Tensor) -> Tensor:
    """The tensor in storage of its own, as files need it: an expert is a slice of a fused tensor in memory."""
    tensor = tensor.detach().contiguous()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def _adapt(causal: "PreTrainedModel", lora: Lora) -> nn.Module:
    """New adapters on a frozen base. They start from a fixed seed: every rank and every restart begins alike."""
    from peft import get_peft_model

    with torch.random.fork_rng(devices=[causal.device] if causal.device.type == "cuda" else []):
        torch.manual_seed(derive_seed("lora", lora.r))
        try:
            adapted = get_peft_model(causal, lora_config(lora), autocast_adapter_dtype=True)
        except ValueError as error:
            raise UserError(str(error), where="lora.target_modules") from error
    narrow = [name for name, weight in adapted.named_parameters() if weight.requires_grad and weight.dtype.itemsize < 4]
    if narrow:
        raise RuntimeError(f"adapters must be fp32 to learn at small learning rates, got {narrow[0]} in less")
    return adapted.eval()


def _checkpoint_layers(causal: "PreTrainedModel") -> None:
    """Activation checkpointing, with every module but the checkpointed layers left in eval mode.

    transformers checkpoints a layer only where the layer's `training` flag is set; the flag is set on the layers alone,
    not on what they hold, and dropout rates that a layer applies itself are put to 0.
    """
    causal.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    layers = decoder_layers(causal)
    if not layers:
        raise UserError(
            f"{type(causal).__name__} has no layers that support it",
            where="gradient_checkpointing",
            advice="switch it off",
        )
    for layer in layers:
        layer.training = True
        for name, value in vars(layer).items():
            if "dropout" in name and isinstance(value, float):
                setattr(layer, name, 0.0)
