"""Samples of ragged lengths, a tiny policy, and the gradient of one update."""

from pathlib import Path
from random import Random

import torch

from grpo.models.policy import Policy, load_policy
from grpo.recipe.fields import Lora, Model
from grpo.records import Sample


def policy_of(folder: Path, dtype: str = "float32", lora: Lora | None = None, **settings) -> Policy:
    return load_policy(Model(path=str(folder), dtype=dtype), str(folder), lora=lora, **settings)


def make_samples(count: int, seed: int = 0, zero_every: int = 0) -> list[Sample]:
    """Prompts of 2 to 9 tokens, completions of 1 to 20, advantages of both signs (0 at every `zero_every`-th)."""
    random = Random(seed)
    samples = []
    for index in range(count):
        prompt = tuple(random.randrange(8, 100) for _ in range(random.randint(2, 9)))
        completion = tuple(random.randrange(8, 100) for _ in range(random.randint(1, 20)))
        logprobs = tuple(random.uniform(-6.0, -3.0) for _ in completion)
        zero = zero_every and index % zero_every == 0
        samples.append(Sample(f"p{index}", prompt, completion, logprobs, 0.0 if zero else random.uniform(-2, 2)))
    return samples


def relative(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    """L2 distance of two gradients over the norm of the second."""
    distance = sum(float((left[name] - right[name]).detach().double().square().sum()) for name in right)
    return (distance / sum(float(value.detach().double().square().sum()) for value in right.values())) ** 0.5
