"""Small policies and samples that training's tests share."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from grpo.models.policy import Policy, load_policy
from grpo.models.tiny import make_tiny
from grpo.recipe.fields import Lora, Model, TinyModel
from grpo.recipe.schema import RLSettings
from grpo.records import Sample
from grpo.training.update import Updater

SHAPE = TinyModel(layers=2, hidden_size=64, heads=2, kv_heads=2, intermediate_size=96)
VOCABULARY = 104
MAX_COMPLETION_LENGTH = 24


def tiny_folder(folder: Path, **changes: Any) -> str:
    make_tiny(SHAPE.model_copy(update=changes), folder, seed=1)
    return str(folder)


def policy_at(
    path: str, dtype: str = "float32", lora: Lora | None = None, gradient_checkpointing: bool = False
) -> Policy:
    model = Model.model_validate({"path": path, "dtype": dtype})
    return load_policy(model, path, lora=lora, gradient_checkpointing=gradient_checkpointing)


def settings(**changes: Any) -> RLSettings:
    return RLSettings.model_validate({"steps": 4, "learning_rate": 1e-3, "mismatch": {"mode": "off"}} | changes)


def updater_for(policy: Policy, accelerator: Any = None, **changes: Any) -> Updater:
    return Updater(policy, settings(**changes), total_updates=100, accelerator=accelerator, seed=7)


def sample(prompt: int, completion: int, advantage: float, seed: int = 0, counted: bool = True) -> Sample:
    """Random tokens of the given lengths."""
    draw = random.Random(f"{prompt} {completion} {advantage} {seed}")
    ids = [draw.randrange(VOCABULARY) for _ in range(prompt + completion)]
    return Sample(
        f"p{seed}", tuple(ids[:prompt]), tuple(ids[prompt:]), (-4.5,) * completion, advantage, counted
    )


def samples(count: int, seed: int = 0) -> list[Sample]:
    """Ragged samples, some with advantage 0, one of ten not counted."""
    draw = random.Random(seed)
    return [
        sample(
            draw.randrange(1, 12),
            draw.randrange(1, MAX_COMPLETION_LENGTH),
            draw.choice([-1.3, -0.4, 0.0, 0.7, 1.1]),
            seed=1000 * seed + index,
            counted=draw.random() > 0.1,
        )
        for index in range(count)
    ]


def flat(tensors: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([tensor.detach().double().reshape(-1) for tensor in tensors.values()])


def relative_difference(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    """‖ours − theirs‖ / ‖theirs‖ over all tensors together."""
    assert list(ours) == list(theirs)
    return ((flat(ours) - flat(theirs)).norm() / flat(theirs).norm()).item()


def weights_of(policy: Policy) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in policy.model.named_parameters()}


def plain_logprobs(model: torch.nn.Module, prompt: Sequence[int], completion: Sequence[int], temperature: float = 1.0):
    """Log-probs [C] and entropies [C] from the model's own logits on one sequence alone."""
    ids = torch.tensor([[*prompt, *completion]])
    logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float() / temperature
    distribution = torch.distributions.Categorical(logits=logits)
    return distribution.log_prob(torch.tensor(completion)), distribution.entropy()
