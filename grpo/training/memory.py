"""The largest micro-batch that can come, and what to do where it does not fit."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from grpo.errors import UserError
from grpo.recipe.rl_settings import RLSettings
from grpo.records import Sample

FILLER_ID = 1
HOST_REFUSALS = ("can't allocate memory", "Cannot allocate memory")


def longest_samples(prompt: int, completion: int, count: int) -> list[Sample]:
    """`count` samples of the greatest length."""
    ids, generated = (FILLER_ID,) * prompt, (FILLER_ID,) * completion
    return [Sample("memory probe", ids, generated, (0.0,) * completion, advantage=1.0) for _ in range(count)]


@contextmanager
def memory_error_as_advice(settings: RLSettings, tokens: int, rows: int) -> Iterator[None]:
    """Turns the allocators' errors into a UserError that names what to make smaller; others pass."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _advice(settings, tokens, rows) from error
    except RuntimeError as error:  # torch's CPU allocator has no class of its own
        if not any(refusal in str(error) for refusal in HOST_REFUSALS):
            raise
        raise _advice(settings, tokens, rows) from error


def _advice(settings: RLSettings, tokens: int, rows: int) -> UserError:
    smaller = []
    if rows > 1:
        smaller.append(
            f"tokens_per_microbatch to {max(tokens, settings.tokens_per_microbatch // 2)} (now "
            f"{settings.tokens_per_microbatch}; this never changes the result)"
        )
    if not settings.gradient_checkpointing:
        smaller.append("gradient_checkpointing to true")
    smaller.append(f"max_completion_length below {settings.max_completion_length}")
    return UserError(
        f"the largest micro-batch ({rows} × {tokens} tokens) does not fit in memory",
        where="tokens_per_microbatch",
        advice=f"set {', or '.join(smaller)}, or train LoRA adapters (`lora: {{r: 16}}`)",
    )
