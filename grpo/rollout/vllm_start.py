"""Start vLLM: its arguments, its environment variables, its log level. Everything vLLM reads once, at start.

Left out: tensor or pipeline parallelism of our own (`engine_args: {tensor_parallel_size: 2}` reaches vLLM as it is).
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grpo.errors import UserError
from grpo.recipe.fields import Model, Rollout
from grpo.rollout.random_state import kept_random_state

if TYPE_CHECKING:
    from transformers import PreTrainedConfig
    from vllm import LLM

WHERE = "rollout.engine_args"

PICKLED_MESSAGES = {"VLLM_ALLOW_INSECURE_SERIALIZATION": "1"}
"""CUDA IPC handles travel pickled inside vLLM's own messages; both ends are processes of this run."""

CPU_PREFILL_TOKENS = 8192
"""Most tokens of one engine step on CPU."""

CPU_BLOCK_TOKENS = 32
"""Tokens of a KV cache block on CPU. Samples of a prompt share its whole blocks only, and vLLM's own 128 are longer
than many a prompt; its kernels want a multiple of 32."""

_OURS = frozenset(
    {"model", "dtype", "seed", "logprobs_mode", "max_model_len", "worker_extension_cls", "weight_transfer_config"}
)
_LAUNCHER_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class Placement:
    """own_process: vLLM's engine core in a process of its own. gpu: the engine runs on CUDA."""

    own_process: bool
    gpu: bool


def start_vllm(
    rollout: Rollout, placement: Placement, *, model: Model, folder: str, max_model_len: int, seed: int
) -> "LLM":
    """A running `vllm.LLM` with the folder's weights. Global random generators are as before.

    Raises UserError where an engine argument is ours to set, the architecture cannot take new weights, or vLLM
    refuses its configuration.
    """
    config = read_config(folder, model)
    refuse_unsyncable(config, folder, placement)
    context = getattr(config.get_text_config(), "max_position_embeddings", None) or max_model_len
    length = min(max_model_len, context)
    arguments = engine_arguments(rollout, placement, model=model, max_model_len=length, seed=seed)
    with _environment(placement), kept_random_state(), _kept_thread_setter():
        from vllm import LLM, envs

        envs.disable_envs_cache()  # an earlier engine in this process froze vLLM's view of the environment
        logging.getLogger("vllm").setLevel(logging.WARNING)
        try:
            return LLM(model=folder, **arguments)
        except (ValueError, TypeError) as error:
            raise UserError(
                f"vLLM refused to start: {error}", where="rollout", advice="See rollout.engine_args and kv_cache_gib."
            ) from error


def engine_arguments(
    rollout: Rollout, placement: Placement, *, model: Model, max_model_len: int, seed: int
) -> dict[str, Any]:
    """Keywords of `vllm.LLM`; the recipe's engine_args win over everything but what the library relies on."""
    taken = sorted(_OURS & set(rollout.engine_args))
    if taken:
        raise UserError(f"{', '.join(taken)} is set by the library", where=WHERE, advice="Remove it from engine_args.")
    arguments: dict[str, Any] = {
        "dtype": model.dtype,
        "revision": model.revision,
        "trust_remote_code": model.trust_remote_code,
        "seed": seed % 2**32,
        "max_model_len": max_model_len,
        "max_num_seqs": rollout.max_num_seqs,
        "logprobs_mode": "processed_logprobs",
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "use_tqdm_on_load": False,
        "worker_extension_cls": "grpo.rollout.vllm_worker.PolicyWorker",
        "weight_transfer_config": {"backend": "policy_ipc" if placement.gpu and placement.own_process else "policy"},
    }
    if placement.gpu:
        arguments |= {"gpu_memory_utilization": rollout.gpu_memory_utilization, "enable_sleep_mode": rollout.sleep}
    else:
        arguments |= {
            "kv_cache_memory_bytes": int(rollout.kv_cache_gib * 2**30),
            "enforce_eager": True,
            "block_size": CPU_BLOCK_TOKENS,
            # A prompt that is only partly prefilled makes vLLM rewind the request's random generator, which CPU
            # generators cannot do ("CPU Generator does not use offset"): every prompt is prefilled at once.
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(CPU_PREFILL_TOKENS, max_model_len, rollout.max_num_seqs),
        }
    return arguments | rollout.engine_args


def read_config(folder: str, model: Model) -> "PreTrainedConfig":
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(
        folder, revision=model.revision or "main", trust_remote_code=model.trust_remote_code
    )


def refuse_unsyncable(config: "PreTrainedConfig", folder: str, placement: Placement) -> None:
    """Raise UserError for multi-head latent attention on CPU: vLLM frees the weight it would have to rebuild from."""
    if not placement.gpu and getattr(config.get_text_config(), "kv_lora_rank", None):
        raise UserError(
            f"{folder}: {config.model_type} has multi-head latent attention, and vLLM's CPU engine cannot take new "
            "weights for it",
            where="rollout.engine",
            advice="Use engine: transformers, or a GPU.",
        )


def _environment(placement: Placement) -> AbstractContextManager[None]:
    """vLLM's variables while it starts; a child process inherits them.

    The launcher's variables are hidden from an engine of its own: they speak of the trainer's ranks. One of several
    ranks shows its engine the GPU that the rank itself is on; a single trainer may give its engine all of them.
    """
    changes: dict[str, str | None] = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "1" if placement.own_process else "0",
        "VLLM_WORKER_MULTIPROCESSING_METHOD": "spawn",
        "VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "WARNING"),
        "VLLM_NO_USAGE_STATS": os.environ.get("VLLM_NO_USAGE_STATS", "1"),
    }
    if placement.own_process:
        changes |= dict.fromkeys(_LAUNCHER_VARIABLES)
        if placement.gpu:
            changes |= PICKLED_MESSAGES
            if int(os.environ.get("WORLD_SIZE", "1")) > 1:
                import torch

                visible = os.environ.get("CUDA_VISIBLE_DEVICES")
                changes["CUDA_VISIBLE_DEVICES"] = gpu_name(visible, torch.cuda.current_device())
    return environment(changes)


def gpu_name(visible: str | None, index: int) -> str:
    """What CUDA_VISIBLE_DEVICES calls the GPU that is number `index` of those it shows (None: of all)."""
    return visible.split(",")[index].strip() if visible else str(index)


@contextmanager
def environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Set (None: unset) variables of this process, and put back what was there."""
    before = {name: os.environ.get(name) for name in changes}
    _apply(changes)
    try:
        yield
    finally:
        _apply(before)


def _apply(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _kept_thread_setter() -> Iterator[None]:
    """vLLM's CPU worker replaces `torch.set_num_threads` by a warning; the trainer shares this process."""
    import torch

    setter, threads = torch.set_num_threads, torch.get_num_threads()
    worker_log = logging.getLogger("vllm.v1.worker.cpu_worker")
    worker_log.addFilter(_not_about_threads)  # it warns at each of vLLM's own calls, and the setter comes back below
    try:
        yield
    finally:
        worker_log.removeFilter(_not_about_threads)
        torch.set_num_threads = setter
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _not_about_threads(record: logging.LogRecord) -> bool:
    return "torch.set_num_threads" not in record.getMessage()
