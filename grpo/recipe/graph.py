"""The stages of a recipe as a graph: what each one needs of others, and an order in which all can run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

from grpo.recipe.fields import Data, Model
from grpo.recipe.stage_base import StageBase, TrainedStage, stage_named, stage_of_rows

Part = TypeVar("Part")

BASE = "base"
BASES = "bases"
REPLACED = "replaced"
RESERVED = (BASE, BASES, REPLACED)
"""Names of folders of a run that are no stage's: tiny models that the recipe and its stages make, and what stages
replaced."""


@dataclass(frozen=True)
class Needs:
    """policy: the stage a stage starts from, or `base`. rows: stages whose rows it takes. figures: stages whose figures
    its gates read. reference: the stage whose policy is its reference."""

    policy: str
    rows: tuple[str, ...]
    figures: tuple[str, ...]
    reference: str | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """All of them, each once."""
        named = (self.policy, *self.rows, *self.figures, self.reference)
        return tuple(dict.fromkeys(name for name in named if name is not None and name != BASE))


def needs(stages: Mapping[str, StageBase], name: str) -> Needs:
    stage = stages[name]
    rows = tuple(filter(None, map(stage_of_rows, each_of(Data, stage))))
    figures = tuple(dict.fromkeys(other for other, _ in stage.gates))
    return Needs(policy_of(stages, name), rows, figures, stage_named(getattr(stage, "reference", None) or ""))


def policy_of(stages: Mapping[str, StageBase], name: str) -> str:
    """The stage that `name` starts from: as it says, else the nearest before it in the file that trains a policy;
    `base` where it brings a model of its own."""
    if stages[name].policy is not None:
        return str(stages[name].policy)
    if stages[name].model is not None:
        return BASE
    names = list(stages)
    before = names[: names.index(name)]
    return next((other for other in reversed(before) if isinstance(stages[other], TrainedStage)), BASE)


def model_of(stages: Mapping[str, StageBase], name: str, recipe_model: Model) -> Model:
    """The model that stage `name` trains or samples: its own, or that of the stage it starts from, or the recipe's."""
    while True:
        own, start = stages[name].model, policy_of(stages, name)
        if own is not None or start == BASE:
            return own or recipe_model
        name = start


def each_of(kind: type[Part], value: Any) -> Iterator[Part]:
    """Everything of that kind within a stage or a setting of one, wherever it stands."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from each_of(kind, each)
    elif isinstance(value, tuple):
        for each in value:
            yield from each_of(kind, each)
    elif hasattr(type(value), "model_fields"):
        for field in type(value).model_fields:
            yield from each_of(kind, getattr(value, field))


def order(stages: Mapping[str, StageBase]) -> list[str]:
    """Every stage after those it needs; where that leaves a choice, in the order of the file.

    Raises ValueError for stages that need each other.
    """
    graph = TopologicalSorter({name: needs(stages, name).stages for name in stages})
    try:
        graph.prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise ValueError(f"stages need each other in a circle: {circle}") from None
    places = {name: place for place, name in enumerate(stages)}
    ready: list[str] = []
    ordered: list[str] = []
    while graph.is_active():
        ready = sorted([*ready, *graph.get_ready()], key=places.__getitem__)
        name = ready.pop(0)
        ordered.append(name)
        graph.done(name)
    return ordered


def check(stages: Mapping[str, Any]) -> None:
    """Raises ValueError, with the key's path in front, for a stage that needs what no stage makes."""
    for name in stages:
        found = needs(stages, name)
        others = [other for other in stages if other != name]
        trained = [BASE, *(other for other in others if isinstance(stages[other], TrainedStage))]
        if found.policy not in trained:
            raise ValueError(f"stages.{name}.policy: {_no_such('a policy', found.policy, trained)}")
        if stages[name].model is not None and found.policy != BASE:
            raise ValueError(
                f"stages.{name}.model: it starts from the policy of {found.policy}, which is a model already"
            )
        if found.reference is not None and found.reference not in trained[1:]:
            raise ValueError(f"stages.{name}.reference: {_no_such('a policy', found.reference, trained[1:])}")
        sampled = [other for other in others if stages[other].kind == "sample"]
        for other in found.rows:
            if other not in sampled:
                raise ValueError(f"stages.{name}.data.source: {_no_such('rows', other, sampled)}")
        for other in found.figures:
            if other not in others:
                raise ValueError(f"stages.{name}.require: {_no_such('figures', other, others)}")
    order(stages)


def _no_such(what: str, name: str, known: list[str]) -> str:
    return f"no stage {name!r} that makes {what} (known: {', '.join(known) or 'none'})"
