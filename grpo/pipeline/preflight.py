"""Everything about a run that can be checked before a model's weights are loaded, in the order of its cost.

First where it would run (run folder, engine, trackers) and what it reads (files, columns, rewards, references). Then,
with the tokenizer, whether every prompt fits beside its completion. The first mistake ends it with a UserError.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from grpo.errors import UserError
from grpo.filters import apply as apply_filters
from grpo.filters import check as check_filters
from grpo.pipeline.data_sets import DataSet, data_sets
from grpo.pipeline.intents import intents, refuse_half_done
from grpo.pipeline.preflight_lengths import Lengths, Read, prompt_lengths, sequence_lengths
from grpo.pipeline.preflight_models import check_reference, open_readers
from grpo.pipeline.preflight_place import check_place
from grpo.pipeline.preflight_progress import Progress
from grpo.pipeline.preflight_rows import check_prompts, check_sequences
from grpo.pipeline.preflight_waiting import check_waiting
from grpo.pipeline.rows import with_rows
from grpo.pipeline.templates import check_templates
from grpo.recipe.filters import Decontaminate
from grpo.recipe.load import LoadedRecipe
from grpo.recipe.mixture import source_key
from grpo.recipe.plan import DataSizes
from grpo.recipe.sampled_stages import EvaluateStage, SampleStage
from grpo.recipe.schema import Stage
from grpo.recipe.stage_base import stage_of_rows
from grpo.recipe.trained_stages import RLStage
from grpo.stages.sampled_rows import texts_against
from grpo.stages.stage import Given
from grpo.stages.supply import check_enough


@dataclass(frozen=True)
class Report:
    """What was found. sizes: of each stage's data, for the plan. lines: for a person, one for each set of rows."""

    sizes: Mapping[str, DataSizes]
    lines: tuple[str, ...]


def preflight(
    loaded: LoadedRecipe, *, progress: bool = False, given: Given | None = None, begin: str | None = None
) -> Report:
    """Checks a recipe against this machine and its data; loads no model.

    progress: show on stderr what is being read. given: rows and reward functions from Python. begin: see `intents`.
    Stages that are done already in the run folder are passed over; rows that another stage has yet to make are not
    there to be checked, and that is said.
    Raises UserError.
    """
    recipe, given = loaded.recipe, given or Given()
    for name, stage in recipe.stages.items():
        if isinstance(stage, SampleStage):
            check_filters(stage.keep, stage.rewards, f"stages.{name}.keep")
    found_there = intents(loaded, begin)
    refuse_half_done(found_there)
    done = {intent.name: intent.ledger.result() for intent in found_there if intent.action == "skip"}
    rows = {name: result.data_path for name, result in done.items() if result.data_path}
    stages = {name: with_rows(stage, rows) for name, stage in recipe.stages.items() if name not in done}
    check_place(recipe, stages)
    for name, stage in stages.items():
        if isinstance(stage, SampleStage):
            _check_against(name, stage, loaded)
    sets = {name: data_sets(name, stage, given) for name, stage in stages.items()}
    waiting = {name: [each for each in sets[name] if stage_of_rows(each.data)] for name in stages}
    there = {name: [each for each in sets[name] if not stage_of_rows(each.data)] for name in stages}
    with Progress(progress) as show:
        unreadable = {each.where: _check_rows(each, loaded, given, show) for name in stages for each in there[name]}
        readers = open_readers(recipe, stages, loaded.base)
        found: dict[str, Lengths] = {}
        for name in stages:
            check_reference(recipe, name, readers[name], loaded.base)
            read = Read(readers[name], loaded.base, recipe.seed, show)
            for each in waiting[name]:
                check_waiting(each, read, given)
            found |= {each.where: _check_lengths(each, read, unreadable[each.where]) for each in there[name]}
    check_templates(recipe.stages, given)
    _check_amounts(stages, found)
    sizes = {
        name: _sizes(stage, [(each, found[each.where]) for each in there[name]])
        for name, stage in stages.items()
        if there[name] and len(there[name]) == len(sets[name])
    }
    lines = [_line(each.where, found[each.where], unreadable[each.where]) for name in stages for each in there[name]]
    lines += [
        f"{each.where}: rows of stage {stage_of_rows(each.data)}, known when it is done"
        for name in stages
        for each in waiting[name]
    ]
    return Report(sizes, tuple(lines))


def _check_amounts(stages: Mapping[str, Stage], found: Mapping[str, Lengths]) -> None:
    """Prompts enough for a step, of those sources whose rows are there."""
    for name, stage in stages.items():
        if isinstance(stage, RLStage):
            places = {source: f"stages.{name}.{source_key(source)}data" for source in stage.sources}
            known = {source: found[place].rows for source, place in places.items() if place in found}
            check_enough(stage, known, f"stages.{name}.")


def _check_against(name: str, stage: SampleStage, loaded: LoadedRecipe) -> None:
    """What completions will be compared with can be read, and has something to look for."""
    if any(stage_of_rows(data) for each in stage.keep if isinstance(each, Decontaminate) for data in each.against):
        return  # rows of a stage that has yet to make them
    where = f"stages.{name}.keep"
    texts = texts_against(stage, base=loaded.base, seed=loaded.recipe.seed, where=where)
    apply_filters([], stage.keep, rewards=stage.rewards, texts=texts, where=where)


def _check_rows(each: DataSet, loaded: LoadedRecipe, given: Given, show: Progress) -> frozenset[int]:
    """Rows that a reward cannot read and that are dropped, by position."""
    context: dict[str, Any] = {"base": loaded.base, "seed": loaded.recipe.seed, "show": show}
    with _under(each.stage):
        if each.rewards is None:
            check_sequences(each.data, where=each.where, **context)
            return frozenset()
        context |= {"functions": given.functions}
        return check_prompts(each.data, each.rewards, each.rows, where=each.around, **context)


def _check_lengths(each: DataSet, read: Read, unreadable: frozenset[int]) -> Lengths:
    if each.rewards is None:
        fits = read.reader.room_for_sequences(each.tokens, each.limit)
        return sequence_lengths(each.data, fits, read, where=each.where)
    room = read.reader.room_for_prompts(each.tokens, each.limit)
    return prompt_lengths(each.data, room, read, where=each.where, given=each.rows, skip=unreadable)


def _sizes(stage: Stage, found: Sequence[tuple[DataSet, Lengths]]) -> DataSizes:
    longest = max(lengths.longest_prompt for _, lengths in found)
    if isinstance(stage, EvaluateStage):
        counts = [
            lengths.rows * (benchmark.samples + benchmark.also_greedy)
            for (_, lengths), benchmark in zip(found, stage.benchmarks.values(), strict=True)
        ]
        return DataSizes(sum(lengths.rows for _, lengths in found), None, longest, sum(counts))
    held_out = [lengths.rows for each, lengths in found if each.key == "evaluate.data"]
    train = [lengths.rows for each, lengths in found if each.key != "evaluate.data"]
    return DataSizes(sum(train), held_out[0] if held_out else None, longest)


def _line(where: str, lengths: Lengths, unreadable: frozenset[int]) -> str:
    line = f"{where}: {lengths.rows:,} rows; {lengths.described}"
    dropped = [f"{lengths.dropped:,} too long"] if lengths.dropped else []
    dropped += [f"{len(unreadable):,} unreadable"] if unreadable else []
    return f"{line}; dropped: {', '.join(dropped)}" if dropped else line


@contextmanager
def _under(stage: str) -> Iterator[None]:
    """Rooms that do not know the stage's name say where in the stage a mistake is; the full path is said here."""
    try:
        yield
    except UserError as error:
        if error.where is None or error.where.startswith("stages."):
            raise
        raise UserError(error.message, where=f"stages.{stage}.{error.where}", advice=error.advice) from error
