"""One round of updates: samples in, a policy that learned from them out.

    for each update of the round:
        for each micro-batch of this rank:  forward → log-probs → this micro-batch's share of the loss → backward
        sum gradients over ranks → clip → AdamW on the masters → publish to the policy

Shares are divided by counts of the whole update, so neither micro-batches nor ranks change the gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from grpo.algorithm.losses import (
    Denominators,
    LossMetrics,
    LossSettings,
    add_metrics,
    coefficient_is_zero,
)
from grpo.errors import GuardError
from grpo.models.head import check_head
from grpo.models.policy import Policy
from grpo.recipe.rl_settings import RLSettings
from grpo.records import Sample
from grpo.seeds import derive_seed
from grpo.training.backward import Fixed, backward
from grpo.training.choose import choose_layout
from grpo.training.compiled import compile_layers
from grpo.training.forward import token_logprobs
from grpo.training.host_memory import keep_freed_memory
from grpo.training.layout import MicroBatch, Unit, balance, split_updates
from grpo.training.masters import Masters
from grpo.training.memory import longest_samples, memory_error_as_advice
from grpo.training.optimizer import clip_by_global_norm, learning_rate, make_optimizer, set_learning_rate
from grpo.training.ranks import Ranks
from grpo.training.state import load_state, save_state

if TYPE_CHECKING:
    from accelerate import Accelerator, PartialState


@dataclass(slots=True)
class PlannedUpdate:
    """One update as this rank sees it: its own micro-batches, everybody's denominators.

    old: log-probs at the start of the round, one tensor [T] a micro-batch; None in the round's first update, whose own
        forward gives them, and where those of the engine stand for them.
    """

    batches: list[MicroBatch]
    denominators: Denominators
    old: list[Tensor] | None = None


class Updater:
    """Trains a policy. Masters, optimizer state and the count of updates are all the state there is.

    seed: of the stage; the global generators are seeded from it and the update's number before each update, because an
        engine in the same process reseeds and consumes them.
    Raises UserError where accelerate is set to shard the policy or the architecture's head is not understood,
    GuardError where ranks start from different weights.
    """

    def __init__(
        self,
        policy: Policy,
        settings: RLSettings,
        *,
        total_updates: int,
        accelerator: "Accelerator | PartialState | None" = None,
        seed: int = 0,
    ) -> None:
        self._policy, self._settings, self._seed = policy, settings, seed
        self._loss_settings = LossSettings.from_recipe(settings)
        self._temperature, self._total_updates = settings.temperature, total_updates
        self._sampling_is_old = settings.mismatch.mode == "as_old"
        self._ranks = Ranks(accelerator)
        if policy.device.type == "cpu":
            keep_freed_memory()
        check_head(policy.model)
        self._layout = choose_layout(policy.model, settings.layout)
        if settings.torch_compile:
            compile_layers(policy.model)
        self._masters = Masters(policy.model, stochastic_rounding=bool(settings.stochastic_rounding))
        self._optimizer = make_optimizer(self._masters.weights, settings)
        self._ranks.check_alike(self._masters.weights)
        self.updates_done = 0

    # ── a round ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def round(
        self, samples: Sequence[Sample], max_completion_length: int, temperature: float | None = None
    ) -> dict[str, float]:
        """All updates of one step. Every rank is given the same samples in the same order and takes its share.
        max_completion_length, temperature: what they were sampled with (null: the settings').

        Figures are means over the tokens (or samples) that were forwarded in all updates and on all ranks; samples
        whose coefficient is zero are not forwarded and count in the denominators alone. `loss` and `grad_norm` are
        means over updates, `learning_rate` is the last update's. A figure without a single value is left out.

        Raises GuardError for a round without samples and for a gradient that is not finite, ValueError for samples
        that do not fit together (sampling log-probs of another length than the completion).
        """
        self._check(samples)
        self._temperature = temperature or self._settings.temperature
        updates = [
            self._plan(samples, part, max_completion_length)
            for part in split_updates(len(samples), self._settings.updates_per_step)
        ]
        for update in updates[1:] if not self._sampling_is_old else ():
            update.old = [self._score(batch, self._temperature) for batch in update.batches]

        totals: LossMetrics = {}
        norms = []
        for update in updates:
            figures = self._accumulate(update, samples)
            norms.append(self._step())
            totals = add_metrics(totals, figures)
        return self._figures(totals, len(updates)) | {
            "grad_norm": sum(norms) / len(norms),
            "learning_rate": learning_rate(self._settings, self.updates_done - 1, self._total_updates),
        }

    def _check(self, samples: Sequence[Sample]) -> None:
        if len(samples) < self._settings.updates_per_step:
            raise GuardError(f"{len(samples)} samples cannot fill {self._settings.updates_per_step} updates")
        for sample in samples:
            if len(sample.sampling_logprobs) != len(sample.completion_ids):
                raise ValueError(
                    f"prompt {sample.prompt_id}: {len(sample.completion_ids)} completion tokens, "
                    f"{len(sample.sampling_logprobs)} sampling log-probs"
                )

    def _plan(self, samples: Sequence[Sample], part: range, max_completion_length: int) -> PlannedUpdate:
        denominators = Denominators.of([samples[index] for index in part], max_completion_length)
        forwarded = [index for index in part if not coefficient_is_zero(samples[index], self._loss_settings)]
        units = self._layout.units(samples, forwarded, self._ranks.count)
        costs = [self._layout.cost(samples, unit) for unit in units]
        mine = [units[item] for item in balance(costs, self._ranks.count)[self._ranks.index]]
        return PlannedUpdate(self._batches(samples, mine), denominators)

    def _batches(self, samples: Sequence[Sample], units: Sequence[Unit]) -> list[MicroBatch]:
        planned = self._layout.microbatches(samples, units, self._settings.tokens_per_microbatch)
        return [self._layout.build(samples, chosen, self._policy.device) for chosen in planned]

    @torch.no_grad()
    def _score(self, batch: MicroBatch, temperature: float) -> Tensor:
        return token_logprobs(self._policy.model, batch, temperature)[0]

    def _accumulate(self, update: PlannedUpdate, samples: Sequence[Sample]) -> LossMetrics:
        """Adds this rank's gradient of the update to the masters; this rank's figures as [sum, count]."""
        torch.manual_seed(derive_seed(self._seed, "update", self.updates_done))
        self._masters.zero_grad()
        figures: LossMetrics = {}
        for index, batch in enumerate(update.batches):
            old = update.old[index] if update.old is not None else None
            figures = add_metrics(figures, self._backward(batch, samples, old, update.denominators))
        return figures

    def _backward(
        self, batch: MicroBatch, samples: Sequence[Sample], old: Tensor | None, denominators: Denominators
    ) -> LossMetrics:
        reference = self._reference_logprobs(batch)
        fixed = Fixed.of(batch, samples, old, reference, sampling_is_old=self._sampling_is_old)
        return backward(self._policy.model, fixed, denominators, self._loss_settings, self._temperature)

    def _reference_logprobs(self, batch: MicroBatch) -> Tensor | None:
        if self._settings.beta == 0:
            return None
        with torch.no_grad(), self._policy.reference() as model:
            return token_logprobs(model, batch, self._temperature)[0]

    def _step(self) -> float:
        """From summed gradients to a policy that learned; returns the gradient's norm before the clip."""
        self._ranks.sum_in_place(self._masters.gradients())
        norm = clip_by_global_norm(self._masters.weights, self._settings.max_grad_norm, self.updates_done)
        set_learning_rate(self._optimizer, learning_rate(self._settings, self.updates_done, self._total_updates))
        if self._settings.stochastic_rounding:
            torch.manual_seed(derive_seed(self._seed, "rounding", self.updates_done))  # on every rank the same
        self._optimizer.step()
        self._masters.zero_grad()
        self._masters.publish()
        self.updates_done += 1
        return norm

    def _figures(self, totals: LossMetrics, updates: int) -> dict[str, float]:
        names = sorted(totals)
        values = torch.stack([totals[name].double() for name in names]).tolist() if names else []
        sums: dict[str, list[float]] = {}
        for part in self._ranks.gather(dict(zip(names, values, strict=True))):
            for name, (total, count) in part.items():
                known = sums.setdefault(name, [0.0, 0.0])
                sums[name] = [known[0] + total, known[1] + count]
        if broken := sums.pop("impossible", [0.0, 0.0])[0]:
            raise GuardError(f"{broken:.0f} tokens have a log-prob above 0: the model's head, or a kernel, is broken")
        loss = sums.pop("loss", [0.0, 0.0])[0] / updates
        return {"loss": loss} | {name: total / count for name, (total, count) in sorted(sums.items()) if count}

    # ── beside the round ────────────────────────────────────────────────────────────────────────────────────────────

    def gradient(self, samples: Sequence[Sample], max_completion_length: int) -> dict[str, Tensor]:
        """The fp32 gradient of these samples as one update, summed over ranks, by name of weight; nothing is learned.
        For tests and benchmarks that compare gradients."""
        self._check(samples)
        self._accumulate(self._plan(samples, range(len(samples)), max_completion_length), samples)
        gradients = dict(zip(self._masters.weights, self._masters.gradients(), strict=True))
        self._ranks.sum_in_place(list(gradients.values()))
        self._masters.zero_grad()
        return gradients

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Teacher-forced log-probs at temperature 1 over the whole vocabulary, from the current weights: entry i of a
        sequence is log p(token i+1 | tokens ≤ i), so it has one entry less than the sequence. On this rank alone."""
        samples = [Sample("", tuple(ids[:1]), tuple(ids[1:]), (), 0.0) for ids in sequences]
        scored: list[list[float]] = [[] for _ in sequences]
        scorable = [index for index, sample in enumerate(samples) if sample.completion_ids]
        for batch in self._batches(samples, self._layout.units(samples, scorable, ranks=1)):
            values = self._score(batch, 1.0).split(batch.lengths.tolist())
            for index, value in zip(batch.samples, values, strict=True):
                scored[index] = value.tolist()
        return scored

    def probe_memory(self, longest_prompt: int, longest_completion: int) -> None:
        """Forward and backward of the largest micro-batch that can come (lengths in tokens), without learning from it:
        what does not fit fails here, with advice, instead of in the middle of a run. Raises UserError."""
        settings = self._settings
        per_update = settings.prompts_per_step * settings.trained_generations // settings.updates_per_step
        most = self._layout.most(longest_prompt, longest_completion, settings.tokens_per_microbatch, per_update)
        samples = longest_samples(longest_prompt, longest_completion, most)
        batch = self._layout.build(samples, range(len(samples)), self._policy.device)
        with memory_error_as_advice(settings, longest_prompt + longest_completion, len(samples)):
            self._backward(batch, samples, None, Denominators.of(samples, longest_completion))
            self._masters.gradients()
        self._masters.zero_grad()

    def save(self, folder: Path) -> None:
        """Writes everything `load` needs to go on exactly. All ranks hold the same: call it on one."""
        save_state(folder, self._masters.weights, self._optimizer, self.updates_done)

    def load(self, folder: Path) -> None:
        """Goes on where `save` left off, bit for bit. Raises UserError where the checkpoint is of other weights."""
        self.updates_done = load_state(folder, self._masters.weights, self._optimizer)
        self._masters.publish()
