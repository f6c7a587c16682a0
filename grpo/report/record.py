"""What one stage leaves behind, and what it shows while it runs.

metrics.jsonl          figures of every step; no times, so that two runs can be compared byte by byte
times.jsonl            seconds by phase, tokens a second, and when
evaluations.jsonl      held-out figures; step 0 is before the first step
rollouts/              every completion of every step, compressed
evaluations/           the completions of every evaluation
tensorboard/           where that tracker is on
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo.records import Group
from grpo.report import completions as completion_files
from grpo.report import lines
from grpo.report.completions import Advantages
from grpo.report.console import Console
from grpo.report.figures import tokens_per_second
from grpo.report.trackers import open_trackers

if TYPE_CHECKING:
    from accelerate import Accelerator

METRICS, TIMES, EVALUATIONS = "metrics.jsonl", "times.jsonl", "evaluations.jsonl"


class Record:
    """The record of one stage in `folder`. On any process but the main one every method does nothing.

    trackers: names (see `trackers.KNOWN`); project: the trackers' project; settings: stored as their hyperparameters.
    accelerator: tells which process this is (None: the only one). quiet: nothing on the console.
    total_steps: for the console's bar. completions_shown: how many completions the console shows at a time.
    keep_rollouts: the last so many steps' completions stay on the disk; None keeps all.
    Raises UserError where a tracker is unknown or not installed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        trackers: Sequence[str] = (),
        project: str = "grpo",
        settings: Mapping[str, Any] | None = None,
        accelerator: "Accelerator | None" = None,
        quiet: bool = False,
        total_steps: int | None = None,
        completions_shown: int = 2,
        keep_rollouts: int | None = None,
    ) -> None:
        self.folder, self.keep_rollouts = folder, keep_rollouts
        self.active = accelerator is None or accelerator.is_main_process
        self._console: Console | None = None
        self._trackers: Sequence[Any] = ()
        if not self.active:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._trackers = open_trackers(trackers, project=project, folder=folder, settings=settings or {})
        if not quiet:
            self._console = Console(folder.name, total_steps=total_steps, completions=completions_shown)

    def truncate_after(self, step: int) -> None:
        """Forgets everything later than `step`, the step of the checkpoint a run resumes from; −1 forgets all.

        Whatever is redone is then written once, and the files end with the bytes of a run that was never stopped.
        """
        if not self.active:
            return
        for name in (METRICS, TIMES, EVALUATIONS):
            lines.keep_until(self.folder / name, step)
        for name in ("rollouts", "evaluations"):
            completion_files.keep_until(self.folder / name, step)

    def say(self, line: str) -> None:
        """One line on the console, for what takes a while."""
        if self._console:
            self._console.say(line)

    def step(self, step: int, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        """One finished step: its metrics, and the seconds of each phase."""
        if not self.active:
            return
        rate = tokens_per_second(metrics, seconds)
        lines.append(self.folder / METRICS, {**metrics, "step": step})
        times = {"step": step, "seconds": seconds, "tokens_per_second": rate, "at": _now()}
        lines.append(self.folder / TIMES, times)
        extra = {f"seconds/{phase}": spent for phase, spent in seconds.items()}
        self._track({**metrics, **extra} if rate is None else {**metrics, **extra, "tokens_per_second": rate}, step)
        if self._console:
            self._console.step(step, metrics, seconds)

    def rollouts(self, step: int, groups: Sequence[Group], advantages: Advantages) -> None:
        """Every completion of the step, with its reward and advantage."""
        if not self.active:
            return
        folder = self.folder / "rollouts"
        completion_files.write(folder, step, groups, advantages)
        if self.keep_rollouts is not None:
            completion_files.keep_last(folder, self.keep_rollouts)
        if self._console:
            self._console.rollouts(step, groups, advantages)

    def evaluation(self, step: int, metrics: Mapping[str, float], groups: Sequence[Group]) -> None:
        """One held-out evaluation after `step`; 0 is before the first. `groups` are its prompts and completions."""
        if not self.active:
            return
        lines.append(self.folder / EVALUATIONS, {**metrics, "step": step})
        completion_files.write(self.folder / "evaluations", step, groups, None)
        self._track(metrics, step)
        if self._console:
            self._console.evaluation(step, metrics, groups)

    def totals(self) -> dict[str, float]:
        """Over all recorded steps: completions and their tokens."""
        path = self.folder / METRICS
        entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return {name: sum(entry[name] for entry in entries) for name in ("num_completions", "completion_tokens")}

    def close(self) -> None:
        """Ends the trackers' runs and the console's bar."""
        if self._console:
            self._console.close()
        for tracker in self._trackers:
            tracker.finish()

    def _track(self, metrics: Mapping[str, float], step: int) -> None:
        for tracker in self._trackers:
            tracker.log({key: lines.plain(value) for key, value in metrics.items()}, step=step)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
