"""Everything about a run that can be checked before a model's weights are loaded, in the order of its cost.

First where it would run (run folder, engine, trackers) and what it reads (files, columns, rewards, references). Then,
with the tokenizer, whether every prompt fits beside its completion. The first mistake ends it with a UserError.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.pipeline.preflight_lengths import Lengths, Read, open_reader, prompt_lengths, sequence_lengths
from grpo.pipeline.preflight_place import check_place
from grpo.pipeline.preflight_progress import Progress
from grpo.pipeline.preflight_rows import check_prompts, check_sequences
from grpo.recipe.load import LoadedRecipe
from grpo.recipe.plan import DataSizes
from grpo.recipe.schema import RLStage, SFTStage
from grpo.stages.stage import Given


@dataclass(frozen=True)
class Report:
    """What was found. sizes: of each stage's data, for the plan. lines: for a person, one for each set of rows."""

    sizes: Mapping[str, DataSizes]
    lines: tuple[str, ...]


def preflight(loaded: LoadedRecipe, *, progress: bool = False, given: Given | None = None) -> Report:
    """Checks a recipe against this machine and its data; loads no model.

    progress: show on stderr what is being read. given: rows and reward functions from Python. Stages that are done
    already in the run folder are passed over.
    Raises UserError.
    """
    recipe, given = loaded.recipe, given or Given()
    finished = finished_stages(loaded)
    stages = {name: stage for name, stage in recipe.stages.items() if name not in finished}
    check_place(recipe, stages)
    with Progress(progress) as show:
        unreadable = {name: _check_rows(name, stage, loaded, given, show) for name, stage in stages.items()}
        if not stages:
            return Report({}, ())
        reader = open_reader(recipe.model, loaded.base)
        read = Read(reader, loaded.base, recipe.seed, given, show)
        found = {name: _check_lengths(name, stage, read, *unreadable[name]) for name, stage in stages.items()}
    sizes, lines = {}, []
    for name, (train, held_out) in found.items():
        sizes[name] = _sizes(name, stages[name], train, held_out)
        lines.append(_line(f"stages.{name}.data", train, unreadable[name][0]))
        if held_out is not None:
            lines.append(_line(f"stages.{name}.evaluate.data", held_out, unreadable[name][1]))
    return Report(sizes, tuple(lines))


def finished_stages(loaded: LoadedRecipe) -> frozenset[str]:
    """Stages whose ledger in the run folder says that they are done."""
    root = Path(loaded.recipe.run_dir).expanduser()
    ledgers = {name: root / name / "stage.json" for name in loaded.recipe.stages}
    return frozenset(
        name for name, path in ledgers.items() if path.is_file() and json.loads(path.read_text())["status"] == "done"
    )


def _check_rows(
    name: str, stage: SFTStage | RLStage, loaded: LoadedRecipe, given: Given, show: Progress
) -> tuple[frozenset[int], frozenset[int]]:
    """Rows that a reward cannot read and that are dropped, by position: of the stage's data, of its evaluation's."""
    context: dict[str, Any] = {"base": loaded.base, "seed": loaded.recipe.seed, "show": show}
    where = f"stages.{name}"
    with _under(where):
        if isinstance(stage, SFTStage):
            check_sequences(stage.data, where=f"{where}.data", **context)
            return frozenset(), frozenset()
        context |= {"functions": given.functions}
        dropped = check_prompts(stage.data, stage.rewards, given.rows, where=where, **context)
        if stage.evaluate is None:
            return dropped, frozenset()
        data, rewards, rows = stage.evaluate.data, stage.evaluate.rewards, given.evaluation_rows
        return dropped, check_prompts(data, rewards, rows, where=f"{where}.evaluate", **context)


def _check_lengths(
    name: str, stage: SFTStage | RLStage, read: Read, unreadable: frozenset[int], unreadable_held_out: frozenset[int]
) -> tuple[Lengths, Lengths | None]:
    where = f"stages.{name}"
    if isinstance(stage, SFTStage):
        fits = read.reader.room_for_sequences(stage.max_length, f"{where}.max_length")
        return sequence_lengths(stage.data, fits, read, where=f"{where}.data"), None
    room = read.reader.room_for_prompts(stage.max_completion_length, f"{where}.max_completion_length")
    train = prompt_lengths(stage.data, room, read, where=f"{where}.data", given=read.given.rows, skip=unreadable)
    if stage.evaluate is None:
        return train, None
    if stage.evaluate.max_completion_length:
        place = f"{where}.evaluate.max_completion_length"
        room = read.reader.room_for_prompts(stage.evaluate.max_completion_length, place)
    rows, place = read.given.evaluation_rows, f"{where}.evaluate.data"
    return train, prompt_lengths(stage.evaluate.data, room, read, where=place, given=rows, skip=unreadable_held_out)


def _sizes(name: str, stage: SFTStage | RLStage, train: Lengths, held_out: Lengths | None) -> DataSizes:
    if isinstance(stage, RLStage) and stage.prompts_per_step > train.rows:
        raise UserError(
            f"a step takes {stage.prompts_per_step} prompts, and the data has {train.rows}",
            where=f"stages.{name}.prompts_per_step",
            advice="Lower prompts_per_step, or give more data.",
        )
    longest = max(train.longest_prompt, held_out.longest_prompt if held_out else 0)
    return DataSizes(train.rows, held_out.rows if held_out else None, longest)


def _line(where: str, lengths: Lengths, unreadable: frozenset[int]) -> str:
    line = f"{where}: {lengths.rows:,} rows; {lengths.described}"
    dropped = [f"{lengths.dropped:,} too long"] if lengths.dropped else []
    dropped += [f"{len(unreadable):,} unreadable"] if unreadable else []
    return f"{line}; dropped: {', '.join(dropped)}" if dropped else line


@contextmanager
def _under(where: str) -> Iterator[None]:
    """Rooms that do not know the stage's name say where in the stage a mistake is; the full path is said here."""
    try:
        yield
    except UserError as error:
        if error.where is None or error.where.startswith("stages."):
            raise
        raise UserError(error.message, where=f"{where}.{error.where}", advice=error.advice) from error
