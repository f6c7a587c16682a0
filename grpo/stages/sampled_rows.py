"""What a `sample` stage writes and reads back: rounds of completions, and the rows that its filters keep of them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo.atomic import write_atomic
from grpo.data.rows import load_rows
from grpo.data.sandbox import compile_text, render
from grpo.data.templates import row_prompt
from grpo.errors import UserError
from grpo.filters import Outcome, Rejected, Row, apply
from grpo.recipe.fields import Data
from grpo.recipe.filters import KEPT, Decontaminate
from grpo.recipe.sampled_stages import SampleStage
from grpo.records import Group, Prompt
from grpo.report.completions import entries, read
from grpo.report.lines import encode, write_compressed
from grpo.stages.stage import StageInputs, StageResult
from rewards.reasoning import after_reasoning, reasoning_of
from rewards.verdict import Verdict

DATA, REJECTED, SAMPLES = "data.jsonl", "rejected.jsonl.gz", "samples"
EMPTY = "empty"


def round_file(folder: Path, number: int) -> Path:
    return folder / SAMPLES / f"round_{number:06d}.jsonl.gz"


def write_round(folder: Path, number: int, groups: Sequence[Group]) -> None:
    """Every completion of the round with its verdicts, whole or not at all."""
    write_groups(round_file(folder, number), number, groups)


def write_groups(file: Path, number: int, groups: Sequence[Group]) -> None:
    """As `grpo.report.completions` describes them; `number` stands as their step."""
    write_compressed(file, entries(number, groups, None))


def take_samples(before: Path, folder: Path) -> None:
    """The rounds of `before`, a stage's folder that was set aside, serve `folder` too: as links, each whole."""
    (folder / SAMPLES).mkdir(parents=True, exist_ok=True)
    for file in sorted((before / SAMPLES).glob("round_*.jsonl.gz")):
        os.link(file, folder / SAMPLES / file.name)


class Sieve:
    """From the rounds on the disk to the rows that are kept. prompts: all of the stage.

    What can be wrong with a row that is written, or with the sources to decontaminate against, is told here, before
    anything is sampled. Raises UserError.
    """

    def __init__(self, settings: SampleStage, inputs: StageInputs, prompts: Sequence[Prompt]) -> None:
        self._settings, self._inputs = settings, inputs
        self._prompts = {prompt.id: prompt for prompt in prompts}
        self._where = inputs.where("rewrite")
        self._rewrite = None if settings.rewrite is None else compile_text(settings.rewrite, where=self._where)
        self._texts = texts_against(settings, base=inputs.base, seed=inputs.seed, where=inputs.where("keep"))
        for prompt in prompts:
            self._try(prompt)

    def result(self, rounds: Sequence[int], *, write: bool) -> StageResult:
        """Filters all rounds; with `write`, writes the kept rows and the rejected ones.

        Raises UserError where no row is kept: a stage that takes them would have nothing to learn from.
        """
        rows = [row for number in rounds for row in self._read(number)]
        where = self._inputs.where("keep")
        outcome = apply(rows, self._settings.keep, rewards=self._settings.rewards, texts=self._texts, where=where)
        outcome = without_empty(outcome)
        if write:
            kept = b"".join(encode(self._row(row, self._rewritten(row))) for row in outcome.kept)
            rejected = (
                {"filter": each.filter, "reason": each.reason, **self._row(each.row, each.row.completion)}
                for each in outcome.rejected
            )
            write_compressed(self._inputs.folder / REJECTED, rejected)
            write_atomic(self._inputs.folder / DATA, kept)
        if not outcome.kept:
            raise UserError(
                f"none of {len(rows):,} completions is kept ({_rejected(outcome)})",
                where=where,
                advice=f"{self._inputs.folder / REJECTED} has the reasons. Changed filters do not sample again.",
            )
        return self._result(rows, outcome)

    def _read(self, number: int) -> Iterator[Row]:
        """Sampled now or earlier, filters see what was written."""
        for entry in read(round_file(self._inputs.folder, number)):
            prompt = self._prompts[entry["prompt_id"]]
            yield Row(
                prompt_id=prompt.id,
                sample=entry["sample"],
                prompt=prompt.text,
                completion=entry["completion"],
                tokens=entry["completion_tokens"],
                finish_reason=entry["finish_reason"],
                verdicts={label: Verdict(**verdict) for label, verdict in entry["verdicts"].items()},
                columns=prompt.columns,
            )

    def _try(self, prompt: Prompt) -> None:
        """Raises UserError where a row of this prompt could not be written."""
        trial = Row(prompt.id, 0, prompt.text, "<think>a</think>b", 1, "stop", {}, prompt.columns)
        try:
            encode(self._row(trial, self._rewritten(trial)))
        except TypeError as error:
            raise UserError(
                f"a row cannot be written as JSON: {error}",
                where=self._inputs.where("data.columns"),
                advice=f"Columns: {', '.join(prompt.columns)}. Map the column to a text.",
            ) from error

    def _row(self, row: Row, completion: str) -> Mapping[str, Any]:
        """The row for a training set: the prompt as it was asked, the completion, and where it comes from."""
        return {
            **row.columns,
            "prompt": self._prompts[row.prompt_id].asked,
            "completion": completion,
            "from": {
                "stage": self._inputs.name,
                "prompt_id": row.prompt_id,
                "sample": row.sample,
                "tokens": row.tokens,
                "scores": {label: verdict.score for label, verdict in row.verdicts.items()},
            },
        }

    def _rewritten(self, row: Row) -> str:
        if self._rewrite is None:
            return row.completion
        told = {
            **row.columns,
            "prompt": row.prompt,
            "completion": row.completion,
            "thought": reasoning_of(row.completion).strip(),
            "reply": after_reasoning(row.completion).strip(),
        }
        return render(self._rewrite, told, where=self._where, place=f"prompt {row.prompt_id}, sample {row.sample}")

    def _result(self, rows: Sequence[Row], outcome: Outcome) -> StageResult:
        name = self._inputs.name
        prompts_kept = len({row.prompt_id for row in outcome.kept})
        metrics = {"sampled": float(len(rows)), "kept": float(len(outcome.kept)), "prompts_kept": float(prompts_kept)}
        metrics |= {f"rejected/{filter_}": float(n) for filter_, n in outcome.counts.items() if filter_ != KEPT}
        metrics["completion_tokens"] = float(sum(row.tokens for row in rows))
        rejected = _rejected(outcome)
        line = (
            f"{name}: kept {len(outcome.kept):,} of {len(rows):,} completions, of {prompts_kept:,} prompts"
            f"{f' ({rejected})' if rejected else ''}"
        )
        return StageResult(None, metrics, (line,), str(self._inputs.folder / DATA))


def without_empty(outcome: Outcome) -> Outcome:
    """A completion without a word teaches nothing, and is no row, whatever the filters say."""
    kept = [row for row in outcome.kept if row.completion.strip()]
    empty = [Rejected(row, EMPTY, "the completion is empty") for row in outcome.kept if not row.completion.strip()]
    if not empty:
        return outcome
    counts = {name: count for name, count in outcome.counts.items() if name != KEPT}
    return Outcome(kept, [*outcome.rejected, *empty], counts | {EMPTY: len(empty), KEPT: len(kept)})


def texts_against(settings: SampleStage, *, base: Path, seed: int, where: str) -> dict[str, list[str]]:
    """What completions are compared with, by source. where: of the filters."""
    return {
        name: list(texts_of(data, base=base, seed=seed, where=f"{where}[{place}].against[{number}]"))
        for place, each in enumerate(settings.keep)
        if isinstance(each, Decontaminate)
        for number, (name, data) in enumerate(each.sources.items())
    }


def texts_of(data: Data, *, base: Path, seed: int, where: str) -> Iterator[str]:
    """The prompts of a source, as they are asked."""
    rows = load_rows(data, base=base, where=where, seed=seed)
    for index, row in enumerate(rows):
        prompt = row_prompt(row, rows.place(index), where)
        yield prompt if isinstance(prompt, str) else "\n".join(str(turn["content"]) for turn in prompt)


def _rejected(outcome: Outcome) -> str:
    listed = ", ".join(f"{count:,} {name}" for name, count in outcome.counts.items() if name != KEPT and count)
    return f"rejected: {listed}" if listed else ""
