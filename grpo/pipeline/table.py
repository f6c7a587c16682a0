"""The figures of a run's `evaluate` stages as one table: policies by benchmarks, `table.md` in the run folder.

| policy       | sums pass@1         | choice pass@1       |
|--------------|---------------------|---------------------|
| r1_zero      | 81.2 [79.0, 83.1]   | 50.4 [47.2, 53.5]   |
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from grpo.atomic import write_atomic
from grpo.recipe.graph import policy_of
from grpo.recipe.sampled_stages import EvaluateStage
from grpo.recipe.stage_base import StageBase
from grpo.stages.stage import StageResult

TABLE = "table.md"
FIGURES = ("pass@1", "maj@", "pass@")
"""Beginnings of the names of figures that are shown, in this order; then pass@1 of further rewards."""


def write_table(root: Path, stages: Mapping[str, StageBase], results: Mapping[str, StageResult]) -> None:
    """Writes nothing where no stage evaluates."""
    text = table(stages, results)
    if text:
        write_atomic(root / TABLE, text.encode())


def table(stages: Mapping[str, StageBase], results: Mapping[str, StageResult]) -> str:
    """In percent, pass@1 with its 95 % interval; "" where no stage of the results evaluates."""
    rows = {
        f"{_policy(stages, name)}{'' if _alone(stages, name) else f' ({name})'}": _cells(stage, results[name].metrics)
        for name, stage in stages.items()
        if isinstance(stage, EvaluateStage) and name in results
    }
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    if not columns:
        return ""
    lines = [["policy", *columns], *([policy, *(cells.get(c, "") for c in columns)] for policy, cells in rows.items())]
    return _markdown(lines)


def _alone(stages: Mapping[str, StageBase], name: str) -> bool:
    """Whether no other stage evaluates the same policy."""
    others = (other for other in stages if other != name and isinstance(stages[other], EvaluateStage))
    return all(_policy(stages, other) != _policy(stages, name) for other in others)


def _policy(stages: Mapping[str, StageBase], name: str) -> str:
    """What a stage evaluates: a stage's policy, the recipe's model, or a model of its own."""
    own = stages[name].model
    return policy_of(stages, name) if own is None else own.path or f"the model of {name}"


def _cells(stage: EvaluateStage, metrics: Mapping[str, float]) -> dict[str, str]:
    """Column → figure; benchmarks as the stage lists them."""
    order = list(stage.benchmarks)
    cells: dict[tuple[int, int, str], str] = {}
    for name, value in metrics.items():
        benchmark = max((each for each in order if name.startswith(f"{each}.")), key=len)
        figure = name.removeprefix(f"{benchmark}.")
        place = _place(figure)
        if place is not None:
            low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
            interval = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
            cells[order.index(benchmark), place, figure] = f"{100 * value:.1f}{interval}"
    return {f"{order[key[0]]} {key[2]}": cells[key] for key in sorted(cells)}


def _place(figure: str) -> int | None:
    """Where a figure stands among a benchmark's columns; None for one that is not shown."""
    label, slash, last = figure.rpartition("/")
    if slash:
        return len(FIGURES) if last == "pass@1" and label != "greedy" else None
    if figure.endswith(("_low", "_high")):
        return None
    return next((place for place, kind in enumerate(FIGURES) if figure.startswith(kind)), None)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    lines = [f"| {' | '.join(row)} |" for row in padded]
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"
