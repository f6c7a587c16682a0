"""Gates: figures of earlier stages that must hold before a stage runs."""

from collections.abc import Mapping

from grpo.errors import GuardError
from grpo.recipe.stage_base import StageBase
from grpo.stages.stage import StageResult


def failed_gates(stage: StageBase, results: Mapping[str, StageResult]) -> dict[str, str]:
    """`STAGE.METRIC >= BOUND` → what it is, for every condition that does not hold."""
    failed = {}
    for (other, metric), condition in stage.gates.items():
        value = results[other].metrics.get(metric)
        if value is None or not condition.holds(value):
            name = f"{other}.{metric} {condition.sign} {condition.bound:g}"
            failed[name] = "there is no such figure" if value is None else f"it is {value:g}"
    return failed


def stop_at(name: str, failed: Mapping[str, str], results: Mapping[str, StageResult]) -> GuardError:
    """The error of a stage whose gates do not hold: nothing was started, everything made so far is in place."""
    listed = "; ".join(f"{gate} does not hold: {found}" for gate, found in failed.items())
    missing = [gate for gate, found in failed.items() if found.startswith("there is no")]
    known = ""
    if missing:
        other = missing[0].partition(".")[0]
        known = f" Figures of {other}: {', '.join(sorted(results[other].metrics)) or 'none'}."
    return GuardError(
        f"stage {name} does not begin: {listed}.{known} What was made is in place. Change an earlier stage and start "
        f"again, or go on all the same with --from {name} (the record says so)"
    )
