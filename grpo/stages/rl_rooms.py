"""Opens and holds the rooms of an `rl` stage: policy, data, engine, scorer, updater, weight sync, record."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

import torch
from accelerate import Accelerator

from grpo.atomic import write_folder
from grpo.data.order import steps_for_epochs
from grpo.models.policy import load_policy
from grpo.recipe.mixture import judged_sources
from grpo.recipe.trained_stages import RLStage
from grpo.report.record import Record
from grpo.rollout.engine import Engine
from grpo.rollout.guards import WeightSync
from grpo.seeds import derive_seed
from grpo.stages.groups import engine_for
from grpo.stages.prompts import open_held_out, open_scorer
from grpo.stages.references import References
from grpo.stages.rl_rollouts import Rollouts
from grpo.stages.stage import StageInputs, StageResult
from grpo.stages.supply import Supply, load_prompts_of
from grpo.training.checkpoints import newest_whole, prune, steps_kept, write_checkpoint
from grpo.training.update import Updater

log = logging.getLogger("grpo")

PROBE_SEQUENCES, PROBE_TOKENS = 4, 64


class Rooms:
    """What the loop works with. `step` is the last step already done (0 at the start, else the checkpoint's)."""

    def __init__(self, settings: RLStage, inputs: StageInputs, closing: ExitStack) -> None:
        self.settings, self.inputs = settings, inputs
        self.accelerator = Accelerator()
        self.step = 0
        self.best: tuple[float, int] | None = None
        self._last_evaluation: dict[str, float] = {}
        self._first_evaluation: dict[str, float] = {}

        self.policy = load_policy(
            inputs.model,
            inputs.policy_path,
            lora=settings.lora,
            gradient_checkpointing=settings.gradient_checkpointing,
            device=self.accelerator.device,
        )
        self.scorer = open_scorer(
            settings.all_rewards,
            settings.reward_workers,
            inputs,
            "rewards",
            settings.max_unjudged,
            judged_sources(settings),
        )
        closing.callback(self.scorer.close)
        self.supply = Supply(settings, inputs, load_prompts_of(settings, inputs, self.policy, self.scorer))
        self.held_out = open_held_out(settings, inputs, self.policy)
        if self.held_out is not None:
            closing.callback(self.held_out.scorer.close)
        self.steps = settings.steps or steps_for_epochs(
            settings.epochs or 0, len(list(self.supply)), settings.prompts_per_step
        )
        self.updater = Updater(
            self.policy,
            settings,
            total_updates=self.steps * settings.updates_per_step,
            accelerator=self.accelerator,
            seed=derive_seed(inputs.seed, inputs.name),
        )
        self.references = References(settings, inputs, self.policy, self.accelerator)
        self.record = Record(
            inputs.folder,
            trackers=inputs.trackers,
            project=inputs.project,
            settings=settings.model_dump(mode="json"),
            accelerator=self.accelerator,
            total_steps=self.steps,
            completions_shown=settings.log_completions,
            keep_rollouts=settings.keep_rollouts,
        )
        closing.callback(self.record.close)
        self._resume()
        left = self.step < self.steps  # else it died between its last checkpoint and its end
        if left:
            self.references.prepare(self.step + 1)
        if left and settings.memory_probe:
            longest = max(len(prompt.token_ids) for prompt in self.supply)
            self.updater.probe_memory(longest, settings.longest_completion_length)
        self.engine = self._open_engine()
        closing.callback(self.engine.close)
        self.sync = WeightSync(
            self.engine,
            weights=self.policy.named_weights,
            score=self.updater.logprobs,
            probe=self._probe(),
            tolerance=settings.rollout.canary_tolerance,
        )
        self.sync.prove(version=self.step)
        self.rollouts = Rollouts(settings, inputs, self.supply, self.engine, self.scorer, self.accelerator)

    @property
    def evaluate_every(self) -> int:
        return self.settings.evaluate.every if self.settings.evaluate else self.steps

    # ── between sampling and update ─────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def engine_asleep(self) -> Iterator[None]:
        """Frees the colocated engine's memory for the update (a no-op where the engine does not sleep)."""
        self.engine.sleep()
        yield
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # what the update cached is the engine's to wake up in
        self.engine.wake()

    def evaluate(self, step: int) -> None:
        """Held-out accuracy at this step, recorded; remembers the best step."""
        if self.held_out is None:
            return
        self.record.say(f"evaluating: {self.held_out.described} …")
        metrics, completions = self.held_out.measure(self.engine, self.accelerator)
        self._last_evaluation = metrics
        if step == 0:
            self._first_evaluation = metrics
        figure = metrics.get("eval/pass@1")
        if step > 0 and figure is not None and (self.best is None or figure > self.best[0]):
            self.best = (figure, step)
        self.record.evaluation(step, metrics, completions)

    # ── checkpoints ─────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, step: int) -> None:
        """A checkpoint of everything that is not a function of the step."""
        if self.accelerator.is_main_process:
            extra = {
                "supply": self.supply.state,
                "best": self.best,
                "first_evaluation": self._first_evaluation,
                "evaluation": self._last_evaluation,
            }
            write_checkpoint(self._checkpoints, step, self.updater.save, extra)
            keep_best = self.best[1] if self.best and self.settings.checkpoints.keep_best else None
            prune(self._checkpoints, self.settings.checkpoints.keep_last, keep_best)
            self.references.prune(steps_kept(self._checkpoints))
        self.accelerator.wait_for_everyone()

    def finish(self) -> StageResult:
        """Write `final/`, a plain from_pretrained folder."""
        final = self.inputs.final
        if self.accelerator.is_main_process:
            write_folder(final, self.policy.save)
        self.accelerator.wait_for_everyone()
        lines = self.held_out.closing_lines(self._first_evaluation, self._last_evaluation) if self.held_out else ()
        return StageResult(str(final), self._last_evaluation | self.record.totals(), tuple(lines))

    @property
    def _checkpoints(self) -> Path:
        return self.inputs.folder / "checkpoints"

    def _resume(self) -> None:
        checkpoint = newest_whole(self._checkpoints)
        if checkpoint is None:
            self.record.truncate_after(-1)
            return
        self.updater.load(checkpoint.folder)
        self.step = checkpoint.step
        self.supply.restore(checkpoint.extra["supply"])
        best = checkpoint.extra["best"]
        self.best = (best[0], best[1]) if best else None
        self._first_evaluation = checkpoint.extra["first_evaluation"]
        self._last_evaluation = checkpoint.extra["evaluation"]
        self.record.truncate_after(self.step)
        log.info("%s: resuming after step %d of %d", self.inputs.name, self.step, self.steps)

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _open_engine(self) -> Engine:
        prompts = [*self.supply, *(self.held_out.prompts if self.held_out else [])]
        longest_completion = max(
            self.settings.longest_completion_length, self.held_out.max_completion_length if self.held_out else 0
        )
        longest_prompt = max(len(prompt.token_ids) for prompt in prompts)
        rollout, lengths = self.settings.rollout, (longest_prompt, longest_completion)
        return engine_for(rollout, self.inputs, self.policy, self.accelerator, *lengths)

    def _probe(self) -> list[list[int]]:
        """A fixed probe for the canary: the first prompts, cut to a length that costs nothing."""
        return [list(prompt.token_ids[:PROBE_TOKENS]) for prompt in islice(self.supply, PROBE_SEQUENCES)]


@contextmanager
def open_rooms(settings: RLStage, inputs: StageInputs) -> Iterator[Rooms]:
    """Rooms that are closed whatever happens: no worker or engine outlives its stage."""
    with ExitStack() as closing:
        yield Rooms(settings, inputs, closing)
