"""TRL's own GRPOTrainer around a tiny random model: the oracle that our loss and advantages are compared with.

Nothing is downloaded: the model is random, the tokenizer is made of thirty-two words. Importing `trl` takes many
seconds, so both trainers (one a temperature: TRL fixes it when it patches the model) are made once.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

VOCABULARY = 32
PAD, EOS = 0, 1
MAX_COMPLETION_LENGTH = 10


class Oracle:
    """A GRPOTrainer whose settings are changed from one comparison to the next."""

    def __init__(self, trainer: Any, temperature: float) -> None:
        self.trainer, self.model, self.temperature = trainer, trainer.model, temperature

    def configure(self, **settings: Any) -> None:
        """TRL's names. Those its loss reads from `args` are set there, the others on the trainer."""
        for name, value in settings.items():
            target = self.trainer.args if name in ("delta", "use_bias_correction_kl") else self.trainer
            assert hasattr(target, name), f"TRL has no {name} any more"
            setattr(target, name, value)

    def loss(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.trainer._compute_loss(self.model, inputs)

    def gradient(self, loss: Tensor) -> dict[str, Tensor]:
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        return {name: weight.grad.clone() for name, weight in self.model.named_parameters()}


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<eos>", "<unk>"] + [f"w{i}" for i in range(3, VOCABULARY)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )


def _model(architecture: str) -> Any:
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

    config_class = {"llama": LlamaConfig, "qwen2": Qwen2Config}[architecture]
    config = config_class(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        pad_token_id=PAD,
        eos_token_id=EOS,
        bos_token_id=None,
        initializer_range=0.3,  # log-probs that differ between tokens, so that a wrong gather cannot pass
    )
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")


def _oracle(architecture: str, temperature: float, folder: Path) -> Oracle:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    args = GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=MAX_COMPLETION_LENGTH,
        temperature=temperature,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        report_to=[],
        loss_type="dapo",
    )
    trainer = GRPOTrainer(
        model=_model(architecture),
        reward_funcs=[lambda completions, **columns: [0.0] * len(completions)],
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "w3 w4"}] * 4),
        processing_class=_tokenizer(),
    )
    # what Trainer.train() sets before its first micro-batch (transformers trainer.py:1863)
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return Oracle(trainer, temperature)


@pytest.fixture(scope="session")
def oracles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[float, Oracle]]:
    """By temperature: 1.0 on a Llama, 0.7 on a Qwen2."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in offline.items():
            patch.setitem(os.environ, name, value)
        yield {
            temperature: _oracle(architecture, temperature, tmp_path_factory.mktemp(architecture))
            for architecture, temperature in [("llama", 1.0), ("qwen2", 0.7)]
        }
