"""A small engine for where vLLM is absent: a decode loop over transformers' KV cache.

transformers' `generate` has one generator for a batch and returns when the last row is done; here each sample has its
own seed and is handed on as it finishes. The engine holds a copy of the policy in the compute dtype.

Left out: a process of its own and engine arguments (refused in `open`), paged attention, prefix sharing between the
completions of a group, refilling a batch while it runs (batches of max_num_seqs run one after another), sleep, and
architectures whose files name weights otherwise than the model does (refused).
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from grpo.errors import UserError
from grpo.models.pretrained import load_pretrained
from grpo.recipe.fields import Model, Rollout, Sampling
from grpo.records import Completion
from grpo.rollout.completion_text import completion_text
from grpo.rollout.decode import Row, decode
from grpo.rollout.engine import NEVER_SYNCED, Request, SyncReceipt, check_lengths
from grpo.rollout.random_state import kept_random_state

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TransformersEngine:
    """See `grpo.rollout.engine.Engine`. tokenizer and eos_ids: the policy's; max_model_len: prompt and completion."""

    name = "transformers"

    def __init__(
        self,
        rollout: Rollout,
        *,
        model: Model,
        folder: str,
        tokenizer: "PreTrainedTokenizerBase",
        eos_ids: frozenset[int],
        max_model_len: int,
    ) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with kept_random_state():
            loaded, _ = load_pretrained(model, folder, device=self._device)
        if getattr(loaded, "_weight_conversions", None):
            raise UserError(
                f"{type(loaded).__name__} stores its weights under other names than it computes with, and the "
                "transformers engine cannot take such a policy",
                where="rollout.engine",
                advice="Use engine: vllm.",
            )
        self._model: PreTrainedModel | None = loaded.eval().requires_grad_(False)
        self._tokenizer, self._eos_ids, self._max_model_len = tokenizer, eos_ids, max_model_len
        self._batch = rollout.max_num_seqs
        self._version = NEVER_SYNCED

    @property
    def weight_version(self) -> int:
        return self._version

    @property
    def _running(self) -> "PreTrainedModel":
        if self._model is None:
            raise RuntimeError("this engine is closed")
        return self._model

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        check_lengths(requests, sampling, self._max_model_len)
        for start in range(0, len(requests), self._batch):
            rows = [
                Row(index, request.prompt.token_ids, request.seed)
                for index, request in enumerate(requests[start : start + self._batch], start)
            ]
            for row in decode(self._running, rows, sampling, self._tokenizer, self._eos_ids):
                yield self._completion(requests[row.index], row)

    @torch.no_grad()
    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        result: list[list[float]] = []
        for sequence in sequences:
            tokens = torch.tensor([list(sequence)], device=self._device)
            if tokens.shape[1] < 2:
                result.append([])
                continue
            logits = self._running(input_ids=tokens, use_cache=False).logits[0, :-1].float()
            result.append(logits.log_softmax(-1).gather(-1, tokens[0, 1:, None])[:, 0].tolist())
        return result

    @torch.no_grad()
    def sync(self, weights: Iterable[tuple[str, Tensor]], version: int) -> SyncReceipt:
        targets = self._running.state_dict()
        places = {name: (tensor.data_ptr(), tensor.shape) for name, tensor in targets.items()}
        names: set[str] = set()
        for name, tensor in weights:
            if name not in targets:
                continue  # not in the receipt, so the sender's accounting names it
            targets[name].copy_(tensor)
            names.add(name)
            self._version = version
        filled = {places[name] for name in names}  # a tied weight is one place under two names
        unreceived = sorted(name for name, place in places.items() if place not in filled)
        return SyncReceipt(self._version, frozenset(names), tuple(unreceived))

    def sleep(self) -> None:
        """The copy of the policy stays where it is; the KV cache lives only while a batch runs."""

    def wake(self) -> None:
        pass

    def close(self) -> None:
        self._model = None
        gc.collect()

    def _completion(self, request: Request, row: Row) -> Completion:
        assert row.finish_reason is not None
        return Completion(
            prompt_id=request.prompt.id,
            sample=request.sample,
            token_ids=tuple(row.tokens),
            logprobs=tuple(row.logprobs),
            text=completion_text(self._tokenizer, row.tokens, self._eos_ids),
            finish_reason=row.finish_reason,
            weight_version=self._version,
        )
