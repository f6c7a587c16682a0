"""The run on the console: a bar and coloured headings in a terminal, the same lines plainly where it is not one."""

import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from grpo.records import Group
from grpo.report.completions import Advantages
from grpo.report.excerpts import excerpts
from grpo.report.figures import evaluation_line, heading, step_line

HEADING_EVERY = 20
COMPLETIONS_EVERY = 10


class Console:
    """Prints steps, evaluations and a few completions of one stage.

    total_steps: for the bar and `12/100`; None where it is not known. completions: how many to show at the first step,
    every tenth, and at evaluations.
    """

    def __init__(
        self, name: str, *, total_steps: int | None = None, completions: int = 2, stream: TextIO | None = None
    ) -> None:
        self.total_steps, self.completions = total_steps, completions
        self._terminal = Terminal(file=stream or sys.stdout, highlight=False, soft_wrap=True)
        self._lines = 0
        self._bar: Progress | None = None
        if self._terminal.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self._terminal,
                transient=True,
            )
            # Text in a description is markup to rich; a stage's name is not.
            self._task = self._bar.add_task(name.replace("[", "\\["), total=total_steps)
            self._bar.start()

    def step(self, step: int, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> None:
        if self._lines % HEADING_EVERY == 0:
            self._print(heading(), style="bold")
        self._lines += 1
        self._print(step_line(step, self.total_steps, metrics, seconds))
        if self._bar:
            self._bar.update(self._task, completed=step)

    def rollouts(self, step: int, groups: Sequence[Group], advantages: Advantages) -> None:
        if step == 1 or step % COMPLETIONS_EVERY == 0:
            self._print_dim(excerpts(groups, advantages, self.completions))

    def evaluation(self, step: int, metrics: Mapping[str, float], groups: Sequence[Group]) -> None:
        self._print(evaluation_line(step, metrics), style="bold")
        self._print_dim(excerpts(groups, None, self.completions))

    def say(self, line: str) -> None:
        """What takes a while now and will print nothing meanwhile."""
        self._print(line, style="dim")

    def close(self) -> None:
        if self._bar:
            self._bar.stop()

    def _print_dim(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._print(line, style="dim")

    def _print(self, line: str, style: str = "") -> None:
        # A Text, not a str: square brackets in what a model wrote are not markup.
        self._terminal.print(Text(line, style=style))
