"""What a rollout engine is: prompts in, completions out as they finish, and new weights between rounds.

Two engines keep this promise: vLLM (`vllm_engine`) and a small decode loop over transformers (`transformers_engine`).
No object of either library leaves this package.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from grpo.errors import UserError
from grpo.recipe.fields import Sampling
from grpo.records import Completion, Prompt

if TYPE_CHECKING:
    import torch

    NamedWeights = Iterable[tuple[str, torch.Tensor]]

NEVER_SYNCED = -1
"""Weight version of an engine that still has the weights of the folder it was opened from."""


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to sample. seed: of this sample alone, so that its tokens do not depend on its neighbours."""

    prompt: Prompt
    sample: int
    seed: int


@dataclass(frozen=True, slots=True)
class SyncReceipt:
    """What the engine says it received; made by the engine from the payload, not by the sender.

    version: the weight version that came with the payload.
    names: names of the tensors that arrived.
    unreceived: the engine's parameters (or checkpoint names) that nothing, or not all, arrived for.
    """

    version: int
    names: frozenset[str]
    unreceived: tuple[str, ...] = ()


class Engine(Protocol):
    """A sampler of the policy.

    name: `vllm` or `transformers`. weight_version: of the weights it samples with now, as the engine recorded it.
    """

    name: str

    @property
    def weight_version(self) -> int: ...

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Completions, handed on as each finishes. Abandoning the iterator drops what is unfinished.

        At temperature 0 the distribution sampled from is a point mass: every log-prob is 0.
        Raises UserError where a prompt and max_completion_length exceed the engine's context.
        """
        ...

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Teacher-forced log-probs (nats) at T=1 over the whole vocabulary: entry i is log p(token i+1 | tokens ≤ i),
        so each list is one shorter than its sequence."""
        ...

    def sync(self, weights: "NamedWeights", version: int) -> SyncReceipt:
        """Load a whole policy, tensors named as in its checkpoint; a cached prefix of older weights is dropped."""
        ...

    def sleep(self) -> None:
        """Give device memory back for the update. Nothing is generated until `wake`."""
        ...

    def wake(self) -> None: ...

    def close(self) -> None: ...


def check_lengths(requests: Sequence[Request], sampling: Sampling, max_model_len: int) -> None:
    """Raise UserError where a completion could not reach max_completion_length: it would be cut short in silence."""
    for request in requests:
        length = len(request.prompt.token_ids)
        if length + sampling.max_completion_length > max_model_len:
            raise UserError(
                f"prompt {request.prompt.id} has {length} tokens; with max_completion_length "
                f"{sampling.max_completion_length} that exceeds the engine's {max_model_len} tokens",
                where="rollout",
                advice="Shorten the prompt, lower max_completion_length, or set data.too_long: drop.",
            )
