"""A rollout engine with stale weights is the worst bug: it trains on, quietly, on somebody else's samples.

Four guards stand at every sync. The engine's receipt names every tensor that arrived (nothing dropped, nothing short);
it carries the version that came with the payload (nothing skipped); the canary compares log-probs of engine and trainer
on a fixed probe (nothing corrupt). One small update is far below the canary's tolerance, so at start and at resume two
other policies are synced as well, must be seen in the engine's log-probs, and are synced back: a *perturbed* one, and
one with its vocabulary *renamed*, whose log-probs on the renamed probe are known without a forward: the policy's own.
The second finds a tied lm_head that kept the old embedding, which agrees with the trainer until training moves it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence

import torch

from grpo.errors import GuardError
from grpo.rollout.engine import Engine, SyncReceipt
from grpo.rollout.renaming import renamed_weights, renaming, vocabulary_tensors

log = logging.getLogger("grpo")

Weights = Callable[[], Iterator[tuple[str, torch.Tensor]]]
Score = Callable[[list[list[int]]], list[list[float]]]

TOLERANCE = {torch.float32: 2e-3, torch.bfloat16: 0.25}
"""Largest mean |difference| in nats that is still noise: about three times what the same weights measure on prompts
(fp32: 1.4e-5 and less; bf16: 0.01 on tiny models, 0.08 on SmolLM2-135M, where the text of a prompt is often unlikely),
and below what a layer or head with wrong weights does (over 1)."""

PERTURBED, RENAMED = -2, -3
"""Weight versions of the two policies of `prove`; never those of a completion."""

PERTURBATION = 0.1
"""Relative size of the noise in the perturbed policy."""

SEEN = 2.0
"""A perturbed policy is seen when the engine's log-probs move by more than this many times the noise between engine and
trainer. An engine out of reach does not move at all; the tolerance is no measure, since a near-uniform policy hardly
moves beyond it."""


class WeightSync:
    """Pushes the policy into the engine and proves that it arrived.

    weights: the policy's tensors by checkpoint name. score: the trainer's teacher-forced log-probs at temperature 1.
    probe: token sequences of the canary. tolerance: in nats; None takes the dtype's.
    """

    def __init__(
        self, engine: Engine, weights: Weights, score: Score, probe: list[list[int]], tolerance: float | None = None
    ) -> None:
        self._engine, self._weights, self._score = engine, weights, score
        self._probe = [sequence for sequence in probe if len(sequence) > 1]
        if not self._probe:
            raise ValueError("the canary needs a probe with at least one sequence of two tokens")
        dtype = next(iter(weights()))[1].dtype
        self.tolerance = tolerance if tolerance is not None else TOLERANCE[dtype]

    def push(self, version: int) -> dict[str, float]:
        """Sync the policy as `version` and check it. Returns `sync/canary` (mean |difference|, nats) and
        `sync/canary_max`. Raises GuardError where a tensor, the sync, or the engine's weights are not what was sent."""
        self._account(*self._send(self._weights(), version), version)
        return self._canary(version)

    def prove(self, version: int) -> dict[str, float]:
        """Perturbed policy in, seen, and back out again; ends with the policy itself synced as `version`."""
        before = self.push(version)
        honest = self._engine.logprobs(self._probe)
        self._account(*self._send(perturbed(self._weights()), PERTURBED), PERTURBED)
        moved = mean_difference(honest, self._engine.logprobs(self._probe))
        noise = before["sync/canary"]
        if not moved > SEEN * noise:
            raise GuardError(
                f"a perturbed policy was synced and the engine's log-probs moved by {moved:.2g} nats (more than "
                f"{SEEN:g} times the noise of {noise:.2g} expected): the engine samples with weights that a sync does "
                "not reach"
            )
        metrics = {"sync/canary_before": noise, "sync/perturbation": moved} | self._prove_renamed()
        return metrics | self.push(version)

    def _prove_renamed(self) -> dict[str, float]:
        """The vocabulary's embedding and head follow a sync together. Empty where they are not found by name."""
        tokens = sorted({token for sequence in self._probe for token in sequence})
        tensors = vocabulary_tensors((name, tensor.shape) for name, tensor in self._weights())
        if not tensors or len(tokens) < 2:
            log.info("the embedding is not found by its name: no proof that the engine's head follows a sync")
            return {}
        names = renaming(tokens)
        self._account(*self._send(renamed_weights(self._weights(), tensors, names), RENAMED), RENAMED)
        probe = [[names[token] for token in sequence] for sequence in self._probe]
        difference = mean_difference(self._score(self._probe), self._engine.logprobs(probe))
        if not difference <= self.tolerance:
            raise GuardError(
                "a policy with its tokens renamed was synced and the engine's log-probs are off by "
                f"{difference:.3g} nats (tolerance {self.tolerance:g}): a sync does not reach the engine's embedding "
                "or its lm_head"
            )
        return {"sync/renamed": difference}

    def _send(self, weights: Iterator[tuple[str, torch.Tensor]], version: int) -> tuple[SyncReceipt, list[str]]:
        sent: list[str] = []

        def counted() -> Iterator[tuple[str, torch.Tensor]]:
            for name, tensor in weights:
                sent.append(name)
                yield name, tensor

        return self._engine.sync(counted(), version), sent

    def _account(self, receipt: SyncReceipt, sent: Sequence[str], version: int) -> None:
        if receipt.version != version:
            raise GuardError(
                f"the engine has weight version {receipt.version} after a sync of version {version}: the sync did not "
                "reach it"
            )
        expected = {name for name, _ in self._weights()} if not sent else set(sent)
        lost = sorted(expected - receipt.names) + list(receipt.unreceived)
        if lost:
            shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
            raise GuardError(f"a weight sync left tensors of the engine without new weights: {shown}")

    def _canary(self, version: int) -> dict[str, float]:
        ours, theirs = self._score(self._probe), self._engine.logprobs(self._probe)
        mean, largest = mean_difference(ours, theirs), largest_difference(ours, theirs)
        if not mean <= self.tolerance:  # NaN is not within tolerance either
            raise GuardError(
                f"after the sync of version {version} the engine's log-probs on the probe differ from the trainer's by "
                f"{mean:.3g} nats on average ({largest:.3g} at most; tolerance {self.tolerance:g}): the engine does "
                "not sample from the policy that is trained. If the two are known to differ by design (quantised "
                "rollouts, another attention kernel), set rollout.canary_tolerance"
            )
        return {"sync/canary": mean, "sync/canary_max": largest}


def perturbed(weights: Iterator[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor with fixed noise of PERTURBATION times its root mean square. The policy itself is untouched."""
    for index, (name, tensor) in enumerate(weights):
        generator = torch.Generator().manual_seed(index)
        noise = torch.randn(tensor.shape, generator=generator).to(tensor.device)
        scale = PERTURBATION * tensor.detach().float().square().mean().sqrt()
        yield name, (tensor.detach().float() + scale * noise).to(tensor.dtype)


def _flat(values: Sequence[Sequence[float]]) -> torch.Tensor:
    return torch.tensor([value for sequence in values for value in sequence], dtype=torch.float64)


def mean_difference(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> float:
    """Mean |difference| over all tokens, in nats."""
    return float((_flat(left) - _flat(right)).abs().mean())


def largest_difference(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> float:
    """Largest |difference| of a token, in nats."""
    return float((_flat(left) - _flat(right)).abs().max())
