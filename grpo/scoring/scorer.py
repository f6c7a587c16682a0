"""Joins rewards to completions: from the completions of a step to groups with verdicts.

    scorer.begin(prompts)
    for completion in engine.generate(...):
        scorer.submit(completion)          # row rewards are judged while generation goes on
    groups = scorer.finish()               # group rewards, a call a group; TRL-style functions, once, in group order
    scorer.guard(groups)                   # of all processes

Wrong is not the same as could not judge: a step in which weighted rewards could not judge more than `max_unjudged` of
the completions, or one of them more than that of those it judges, stops the run with the first reason.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from grpo.errors import GuardError, UserError
from grpo.recipe.fields import Reward
from grpo.records import Completion, Group, Prompt
from grpo.scoring.calls import row_of, step_calls
from grpo.scoring.sources import Loaded, Source, open_sources
from rewards.batch import BatchResult, call_batch
from rewards.pool import Pool
from rewards.protocol import Judging
from rewards.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row whose reference a reward cannot read."""

    prompt: Prompt
    label: str
    reason: str


class Scorer:
    """The rewards of one stage, with their workers.

    base: folder that reward files are relative to. functions: rewards given from Python, by label.
    max_unjudged: share of a step's completions that may go unjudged. where: the recipe key, for messages. judged: by
    label, the sources of prompts that a reward judges; to others it does not apply. One that is not named judges all.
    """

    def __init__(
        self,
        rewards: Sequence[Reward],
        workers: int,
        base: Path,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        max_unjudged: float = 0.5,
        where: str = "rewards",
        judged: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._sources = open_sources(rewards, functions or {}, base, where, judged or {})
        self.labels: tuple[str, ...] = tuple(source.label for source in self._sources)
        self.max_unjudged, self._where = max_unjudged, where
        specs = {source.label: source.spec for source in self._sources if source.spec is not None}
        self._pool = Pool(specs, workers) if specs else None
        self._prompts: list[Prompt] = []
        self._completions: dict[str, dict[int, Completion]] = {}
        self._trainer_state = SimpleNamespace(global_step=0)
        self.extra_metrics: dict[str, float] = {}
        self.extra_columns: dict[str, list[Any]] = {}

    def check_references(self, prompts: Iterable[Prompt]) -> list[Unreadable]:
        """Every row whose reference some row or group reward cannot read, with the reason."""
        checked = [
            (prompt, source.label, source.judge.check_reference(row_of(prompt)))
            for prompt in prompts
            for source in self._sources
            if isinstance(source.judge, Judging) and source.judges(prompt)
        ]
        return [Unreadable(prompt, label, reason) for prompt, label, reason in checked if reason is not None]

    def check(self) -> None:
        """Whether what rewards will load is there. Raises UserError."""
        self._of_models(lambda judge: judge.check())

    def load(self) -> None:
        """Models behind rewards into this process, before anything is sampled. Raises UserError."""
        self._of_models(lambda judge: judge.load())

    def _of_models(self, act: Callable[[Loaded], None]) -> None:
        for index, source in enumerate(self._sources):
            if isinstance(source.judge, Loaded):
                try:
                    act(source.judge)
                except UserError as error:
                    where = f"{self._where}[{index}].{error.where}"
                    raise UserError(error.message, where=where, advice=error.advice) from error

    def begin(self, prompts: Sequence[Prompt], step: int = 0) -> None:
        """Open a step: its prompts, in group order. `step` is what TRL-style functions see as
        `trainer_state.global_step`. Workers start here, so that they are ready when completions arrive."""
        self._prompts = list(prompts)
        self._completions = {prompt.id: {} for prompt in prompts}
        if len(self._completions) < len(self._prompts):
            raise ValueError("two prompts of one step have the same id: their completions could not be told apart")
        self._by_id = {prompt.id: prompt for prompt in prompts}
        self._trainer_state = SimpleNamespace(global_step=step)
        self.extra_metrics, self.extra_columns = {}, {}
        if self._pool is not None:
            self._pool.start()

    def submit(self, completion: Completion) -> None:
        """One finished completion, in any order."""
        of_prompt = self._completions[completion.prompt_id]
        if completion.sample in of_prompt:
            raise ValueError(f"sample {completion.sample} of prompt {completion.prompt_id} was submitted twice")
        of_prompt[completion.sample] = completion
        prompt = self._by_id[completion.prompt_id]
        row = {**row_of(prompt), "completion_ids": completion.token_ids}
        for source in self._sources:
            if source.kind == "row" and self._pool is not None and source.judges(prompt):
                key = (completion.prompt_id, completion.sample)
                self._pool.submit(key, source.label, completion.text, row)

    def finish(self) -> list[Group]:
        """Close the step: this process's groups in the order of the prompts, completions in the order of their samples,
        with the verdicts by reward."""
        rows = [
            (p, self._completions[p.id][sample]) for p in self._prompts for sample in sorted(self._completions[p.id])
        ]
        calls = step_calls(self._sources, rows, self._trainer_state)
        results: dict[Any, Any] = {}
        for call in calls:
            if call.source.spec is not None and self._pool is not None:
                self._pool.submit_batch(call.key, call.source.label, call.kwargs)
        for call in calls:
            if call.source.spec is None:
                results[(call.key, call.source.label)] = call_batch(call.source.judge, call.kwargs)
        if self._pool is not None:
            results |= self._pool.collect()
        for call in calls:
            batch = results.pop((call.key, call.source.label))
            self._keep_logged(batch)
            results |= {(row, call.source.label): v for row, v in zip(call.rows, batch.verdicts, strict=True)}
        apart = Verdict("not_applicable", detail="it judges rows of other sources")
        verdicts = [
            {s.label: results[((p.id, c.sample), s.label)] if s.judges(p) else apart for s in self._sources}
            for p, c in rows
        ]
        return self._groups(rows, verdicts)

    def guard(self, groups: Sequence[Group], weights: Mapping[str, float] | None = None) -> None:
        """Raises GuardError where more than `max_unjudged` of the groups' completions could not be judged by a reward
        that has a weight, or of those that one reward judges where they are of several prompts (one prompt alone may be
        a hard one). groups: of all processes, so that all stop or none. weights: now, where they change."""
        counting = [s for s in self._sources if (s.counts if weights is None else weights[s.label] != 0)]
        self._guard(counting, groups, "this step's completions")
        for source in counting:
            own = [group for group in groups if source.judges(group.prompt)]
            if len(own) > 1:
                self._guard([source], own, "the completions that it judges")

    def _guard(self, sources: Sequence[Source], groups: Iterable[Group], whose: str) -> None:
        verdicts = [verdict for group in groups for verdict in group.verdicts]
        failed = [(s.label, v[s.label]) for v in verdicts for s in sources if v[s.label].unjudged]
        share = sum(any(v[s.label].unjudged for s in sources) for v in verdicts) / max(len(verdicts), 1)
        if share > self.max_unjudged:
            label, first = failed[0]
            raise GuardError(
                f"{share:.0%} of {whose} could not be judged (max_unjudged: {self.max_unjudged:.0%}); "
                f"the first, by reward {label!r}: {first.status}\n{first.detail}"
            )

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.close()

    def _keep_logged(self, result: BatchResult) -> None:
        self.extra_metrics |= {name: sum(v) / len(v) for name, v in result.metrics.items()}
        self.extra_columns |= result.extras

    def _groups(
        self, rows: Sequence[tuple[Prompt, Completion]], verdicts: Sequence[Mapping[str, Verdict]]
    ) -> list[Group]:
        by_prompt: dict[str, list[tuple[Completion, Mapping[str, Verdict]]]] = {p.id: [] for p in self._prompts}
        for (prompt, completion), verdict in zip(rows, verdicts, strict=True):
            by_prompt[prompt.id].append((completion, verdict))
        return [
            Group(prompt, tuple(c for c, _ in by_prompt[prompt.id]), tuple(v for _, v in by_prompt[prompt.id]))
            for prompt in self._prompts
        ]
