"""The vLLM engine: `vllm.LLM` driven step by step, in this process or with its core in one of its own.

`LLM.generate` returns when everything is finished and seeds siblings itself, so each completion is a request of its own
with its own seed, and we call `llm_engine.step()` and hand on what finished. In this process every request of a round
arrives before the first step: the same requests are batched the same way and give the same bytes, run after run. With
the core in its own process arrival times decide the batches, and bf16 rounding follows them.
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from grpo.errors import GuardError
from grpo.recipe.fields import Model, Rollout, Sampling
from grpo.records import Completion
from grpo.rollout.completion_text import completion_text
from grpo.rollout.engine import Request, SyncReceipt, check_lengths
from grpo.rollout.random_state import kept_random_state
from grpo.rollout.vllm_death import DeathWatch, naming_death
from grpo.rollout.vllm_start import Placement, start_vllm
from grpo.rollout.weight_transfer import checkpoint_names, read_receipt, transport_for

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from vllm import LLM, RequestOutput, SamplingParams


class VllmEngine:
    """See `grpo.rollout.engine.Engine`. tokenizer and eos_ids: the policy's; max_model_len: prompt and completion.
    own_process: whether the engine core gets a process of its own."""

    name = "vllm"

    def __init__(
        self,
        rollout: Rollout,
        *,
        own_process: bool,
        model: Model,
        folder: str,
        tokenizer: "PreTrainedTokenizerBase",
        eos_ids: frozenset[int],
        max_model_len: int,
        seed: int,
    ) -> None:
        self._placement = Placement(own_process, torch.cuda.is_available())
        self._transport = transport_for(self._placement)
        self._tokenizer, self._eos_ids, self._max_model_len = tokenizer, eos_ids, max_model_len
        self._sleeps, self._asleep = rollout.sleep and self._placement.gpu, False
        self._checkpoint = checkpoint_names(folder)
        self._llm: LLM | None = start_vllm(
            rollout, self._placement, model=model, folder=folder, max_model_len=max_model_len, seed=seed
        )
        self._death_watch = DeathWatch(self._llm)
        self._round = 0

    @property
    def weight_version(self) -> int:
        with naming_death():
            return read_receipt(self._running, self._checkpoint).version

    @property
    def _running(self) -> "LLM":
        if self._llm is None:
            raise RuntimeError("this engine is closed")
        return self._llm

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        check_lengths(requests, sampling, self._max_model_len)
        version = self.weight_version
        prompts = [list(request.prompt.token_ids) for request in requests]
        parameters = [self._parameters(sampling, request.seed) for request in requests]
        with naming_death():
            # A cached prefix from an earlier round would change the batches, and a restarted run has no such cache.
            self._reset_prefix_cache()
            for index, output in self._finished(prompts, parameters):
                yield self._completion(requests[index], output, sampling, version)

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        from vllm import SamplingParams

        scored = [index for index, sequence in enumerate(sequences) if len(sequence) > 1]
        parameters = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        result: list[list[float]] = [[] for _ in sequences]
        prompts = [list(sequences[index]) for index in scored]
        with naming_death():
            for position, output in self._finished(prompts, [parameters.clone() for _ in scored]):
                tokens, entries = prompts[position], output.prompt_logprobs
                assert entries is not None
                known = zip(tokens[1:], entries[1:], strict=True)
                result[scored[position]] = [entry[token].logprob for token, entry in known if entry is not None]
        return result

    def sync(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> SyncReceipt:
        with naming_death():
            if self._asleep:
                self._running.wake_up(tags=["weights"])
            with torch.no_grad(), kept_random_state():
                self._transport.send(self._running, weights, version)
            if self._asleep:
                self.wake()
            self._reset_prefix_cache()
            return read_receipt(self._running, self._checkpoint)

    def sleep(self) -> None:
        """On a GPU: weights to host memory, KV cache dropped. On CPU there is nothing to give back."""
        if self._sleeps and not self._asleep:
            with naming_death():
                self._running.sleep(level=1)
            self._asleep = True

    def wake(self) -> None:
        if self._asleep:
            with naming_death():
                self._running.wake_up()
            self._asleep = False

    def close(self) -> None:
        """Stop the engine and free its memory. Safe to call twice."""
        if self._llm is not None:
            self._death_watch.end()
            self._llm.llm_engine.engine_core.shutdown()
            self._llm = None
            gc.collect()

    def _finished(
        self, prompts: Sequence[list[int]], parameters: Sequence["SamplingParams"]
    ) -> Iterator[tuple[int, "RequestOutput"]]:
        """(index, output) as each request finishes; what is unfinished when the caller stops is aborted."""
        from vllm.inputs.engine import tokens_input

        engine = self._running.llm_engine
        self._round += 1
        waiting: dict[str, int] = {}
        names: dict[int, str] = {}
        try:
            for index, (prompt, parameter) in enumerate(zip(prompts, parameters, strict=True)):
                name = f"{self._round}-{index}"
                names[index] = engine.add_request(name, tokens_input(prompt), parameter)
                waiting[name] = index
            while waiting:
                for output in self._step():
                    if output.finished and output.request_id in waiting:
                        index = waiting.pop(output.request_id)
                        yield index, output
        finally:
            if waiting:
                engine.abort_request([names[index] for index in waiting.values() if index in names], internal=True)

    def _step(self) -> list[Any]:
        with nullcontext() if self._placement.own_process else kept_random_state():
            return self._running.llm_engine.step()

    def _parameters(self, sampling: Sampling, seed: int) -> "SamplingParams":
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            n=1,
            seed=seed,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            max_tokens=sampling.max_completion_length,
            stop=list(sampling.stop) or None,
            include_stop_str_in_output=True,
            # Ours alone: vLLM's own idea of end-of-sequence may lack one of the tokenizer's or have one more.
            ignore_eos=True,
            stop_token_ids=sorted(self._eos_ids),
            logprobs=0,
            flat_logprobs=True,
            detokenize=bool(sampling.stop),
            skip_special_tokens=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _completion(self, request: Request, output: "RequestOutput", sampling: Sampling, version: int) -> Completion:
        (sampled,) = output.outputs
        tokens = tuple(sampled.token_ids)
        if sampled.finish_reason not in ("stop", "length"):
            raise GuardError(f"vLLM ended a completion of prompt {request.prompt.id} with {sampled.finish_reason!r}")
        return Completion(
            prompt_id=request.prompt.id,
            sample=request.sample,
            token_ids=tokens,
            logprobs=_sampled_logprobs(sampled.logprobs, tokens, sampling),
            text=completion_text(self._tokenizer, tokens, self._eos_ids),
            finish_reason=sampled.finish_reason,
            weight_version=version,
        )

    def _reset_prefix_cache(self) -> None:
        if not self._running.llm_engine.reset_prefix_cache():
            raise GuardError("vLLM could not reset its prefix cache: requests are still running")


def _sampled_logprobs(flat: Any, tokens: tuple[int, ...], sampling: Sampling) -> tuple[float, ...]:
    """Log-prob of each sampled token from vLLM's flat lists (the sampled token is the first of its position)."""
    if sampling.temperature == 0:
        return (0.0,) * len(tokens)
    starts = flat.start_indices
    if tuple(flat.token_ids[start] for start in starts) != tokens:
        raise GuardError(f"vLLM returned log-probs for other tokens than it sampled ({len(starts)} for {len(tokens)})")
    return tuple(float(flat.logprobs[start]) for start in starts)
