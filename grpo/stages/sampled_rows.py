"""What a `sample` stage writes and reads back: rounds of completions, and the rows that its filters keep of them."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo.atomic import write_atomic
from grpo.data.rows import load_rows
from grpo.data.sandbox import compile_text, render
from grpo.filters import Outcome, Row, apply
from grpo.recipe.fields import Data
from grpo.recipe.filters import Decontaminate
from grpo.recipe.sampled_stages import SampleStage
from grpo.records import Group, Prompt
from grpo.report.completions import entries, read
from grpo.report.lines import encode
from grpo.stages.stage import StageInputs, StageResult
from rewards.reasoning import after_reasoning, reasoning_of
from rewards.verdict import Verdict

DATA, REJECTED, SAMPLES = "data.jsonl", "rejected.jsonl.gz", "samples"


def round_file(folder: Path, number: int) -> Path:
    return folder / SAMPLES / f"round_{number:06d}.jsonl.gz"


def write_round(folder: Path, number: int, groups: Sequence[Group]) -> None:
    """Every completion of the round with its verdicts, whole or not at all."""
    write_groups(round_file(folder, number), number, groups)


def write_groups(file: Path, number: int, groups: Sequence[Group]) -> None:
    """As `grpo.report.completions` describes them; `number` stands as their step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = b"".join(encode(entry) for entry in entries(number, groups, None))
    write_atomic(file, gzip.compress(lines, compresslevel=6, mtime=0))


class Sieve:
    """From the rounds on the disk to the rows that are kept. prompts: all of the stage.

    Raises UserError at once for a rewrite that is no Jinja text and for a source to decontaminate against that cannot
    be read.
    """

    def __init__(self, settings: SampleStage, inputs: StageInputs, prompts: Sequence[Prompt]) -> None:
        self._settings, self._inputs = settings, inputs
        self._prompts = {prompt.id: prompt for prompt in prompts}
        self._where = inputs.where("rewrite")
        self._rewrite = None if settings.rewrite is None else compile_text(settings.rewrite, where=self._where)
        sources = {source for each in settings.keep if isinstance(each, Decontaminate) for source in each.against}
        self._texts = {source: list(texts_of(source, inputs)) for source in sorted(sources)}

    def result(self, rounds: Sequence[int], *, write: bool) -> StageResult:
        """Filters all rounds; with `write`, writes the kept rows and the rejected ones."""
        rows = [row for number in rounds for row in self._read(number)]
        where = self._inputs.where("keep")
        outcome = apply(rows, self._settings.keep, rewards=self._settings.rewards, texts=self._texts, where=where)
        if write:
            kept = b"".join(encode(self._kept(row)) for row in outcome.kept)
            rejected = b"".join(
                encode({"filter": each.filter, "reason": each.reason, **self._kept(each.row)})
                for each in outcome.rejected
            )
            write_atomic(self._inputs.folder / REJECTED, gzip.compress(rejected, compresslevel=6, mtime=0))
            write_atomic(self._inputs.folder / DATA, kept)
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

    def _kept(self, row: Row) -> Mapping[str, Any]:
        """The row for a training set: the prompt as it was asked, what the policy said, and where it comes from."""
        prompt = self._prompts[row.prompt_id]
        return {
            **row.columns,
            "prompt": prompt.asked,
            "completion": self._rewritten(row),
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
            "answer": after_reasoning(row.completion).strip(),
        }
        return render(self._rewrite, told, where=self._where, place=f"prompt {row.prompt_id}, sample {row.sample}")

    def _result(self, rows: Sequence[Row], outcome: Outcome) -> StageResult:
        name = self._inputs.name
        prompts_kept = len({row.prompt_id for row in outcome.kept})
        metrics = {"sampled": float(len(rows)), "kept": float(len(outcome.kept)), "prompts_kept": float(prompts_kept)}
        metrics |= {f"rejected/{filter_}": float(n) for filter_, n in outcome.counts.items() if filter_ != "kept"}
        tokens = sum(row.tokens for row in rows)
        metrics["completion_tokens"] = float(tokens)
        rejected = ", ".join(f"{n:,} {filter_}" for filter_, n in outcome.counts.items() if filter_ != "kept" and n)
        line = (
            f"{name}: kept {len(outcome.kept):,} of {len(rows):,} completions, of {prompts_kept:,} prompts"
            f"{f' (rejected: {rejected})' if rejected else ''}"
        )
        return StageResult(None, metrics, (line,), str(self._inputs.folder / DATA))


def texts_of(source: str, inputs: StageInputs) -> Iterator[str]:
    """Every text of every row of a source: questions, and answers where they are sentences."""
    rows = load_rows(Data(source=source), base=inputs.base, where=inputs.where("keep"), seed=inputs.seed)
    for row in rows:
        yield from (value for value in row.values() if isinstance(value, str))
