"""What would run now, and why: the stages of a recipe against what its run folder holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grpo.errors import UserError
from grpo.pipeline.keys import stage_keys
from grpo.pipeline.ledger import Ledger, State
from grpo.recipe.graph import BASE, needs, order
from grpo.recipe.load import LoadedRecipe
from grpo.stages.same_samples import same_samples

Action = Literal["skip", "run", "resume", "again", "refuse"]
SHOWN = 3


@dataclass(frozen=True)
class Intent:
    """One stage. action: `skip` what is done, `run` what is new, `resume` what was stopped, `again` what was made from
    something else, `refuse` what was stopped on the way and is not what the recipe says now.

    keeps_samples: what is made again is what is kept of completions that are there already.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    action: Action
    why: str
    ledger: Ledger
    keeps_samples: bool = False


def intents(loaded: LoadedRecipe, begin: str | None = None) -> list[Intent]:
    """Every stage, each after those it needs. begin: the stage from which what was stopped half-way and has changed
    since is set aside instead of refused; so are the stages behind it.

    Raises UserError where `begin` is no stage.
    """
    stages, root = loaded.recipe.stages, Path(loaded.recipe.run_dir).expanduser().resolve()
    if begin is not None and begin not in stages:
        raise UserError(f"no stage {begin!r}", where="--from", advice=f"Stages: {', '.join(stages)}.")
    ordered = order(stages)
    keys = stage_keys(loaded.recipe, loaded.base, ordered)
    behind: set[str] = set()
    found = []
    for name in ordered:
        required = needs(stages, name).stages
        if name == begin or behind & set(required):
            behind.add(name)
        ledger = Ledger(root / name, name, keys[name])
        state = ledger.state()
        samples = (
            state.status == "changed" and stages[name].kind == "sample" and same_samples(state.before, keys[name].what)
        )
        action = _action(state, may_restart=name in behind or samples)
        found.append(Intent(name, stages[name].kind, required, action, _why(state), ledger, samples))
    return found


def refuse_half_done(found: Sequence[Intent]) -> None:
    """Raises UserError for a stage that is half done and not what the recipe says now: before any other runs."""
    for intent in found:
        if intent.action == "refuse":
            raise UserError(
                f"stage {intent.name!r} is half done and was started with other settings: {intent.why}",
                where=str(intent.ledger.path),
                advice="Put the old values back to go on with it, or set it aside and start it anew: "
                f"--from {intent.name}",
            )


def _action(state: State, may_restart: bool) -> Action:
    if state.status == "changed":
        return "again" if state.finished or state.empty or may_restart else "refuse"
    known: dict[str, Action] = {"new": "run", "running": "resume", "done": "skip"}
    return known[state.status]


def _why(state: State) -> str:
    if state.status == "changed":
        return changes(state.why)
    return {"new": "not made yet", "running": "stopped on the way", "done": "done"}[state.status]


def changes(why: Sequence[str]) -> str:
    """The first changes in words; a stage that is made from another has the other's key in them."""
    told = [_told(change) for change in why]
    more = f", and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return f"{'; '.join(told[:SHOWN])}{more}"


def _told(change: str) -> str:
    place, _, values = change.partition(": ")
    old, _, new = values.partition(" → ")
    for made_from in ("starts_from.", "rows.", "reference."):
        if place.startswith(made_from):
            other = place.removeprefix(made_from)
            if new == "None":
                return f"it no longer needs {other}"
            if old == "None":
                return f"it needs {other} now"
            return "the model changed" if other == BASE else f"{other} is made anew"
    return change


def format_intents(found: Sequence[Intent]) -> str:
    """The graph and what would happen, a line a stage."""
    width = max(len(intent.name) for intent in found)
    words = {"skip": "done", "run": "runs", "resume": "goes on", "again": "runs again", "refuse": "refused"}
    lines = []
    for intent in found:
        source = f" ← {', '.join(intent.needs)}" if intent.needs else ""
        reason = "" if intent.action in ("skip", "run") else f" ({intent.why})"
        lines.append(f"{intent.name:{width}}  {intent.kind:8}  {words[intent.action]}{reason}{source}")
    return "\n".join(lines)
