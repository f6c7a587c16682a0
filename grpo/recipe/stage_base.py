"""What every stage of a recipe says, of whatever kind: where it starts from, and what must hold before it runs."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import field_validator

from grpo.recipe.fields import Checkpoints, Data, Lora, Model, Strict

STAGE = "stage:"
"""`source: stage:NAME` takes the rows that stage NAME kept, `reference: stage:NAME` the policy that it trained."""

_CONDITION = re.compile(r"(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(\s*%)?")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """`>= 0.4` or `>= 40%`."""

    sign: str
    bound: float

    @classmethod
    def of(cls, text: str) -> "Condition":
        match = _CONDITION.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} given; must be a comparison such as '>= 0.4' or '< 30%'")
        return cls(match.group(1), float(match.group(2)) / (100 if match.group(3) else 1))

    def holds(self, value: float) -> bool:
        return _COMPARE[self.sign](value, self.bound)


class StageBase(Strict):
    """policy: name of the stage whose policy this one starts from, `base` for the recipe's model, or null: the nearest
    stage before this one in the file that trains a policy, else the recipe's model.
    model: another model for this stage to start from, such as a student's; stages that start from its policy go on with
        it.
    require: what must hold before this stage runs, by `STAGE.METRIC`, e.g. `{exam.gsm8k.pass@1: ">= 0.4"}`.
    template_changes: true where prompts are meant to look different from those that the policy was trained on.
    """

    policy: str | None = None
    model: Model | None = None
    require: dict[str, str] = {}
    template_changes: bool = False

    @field_validator("require")
    @classmethod
    def _conditions(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            stage, dot, metric = name.partition(".")
            if not stage or not dot or not metric:
                raise ValueError(f"{name!r} given; must be STAGE.METRIC, such as exam.gsm8k.pass@1")
            Condition.of(text)
        return value

    @property
    def gates(self) -> dict[tuple[str, str], Condition]:
        """(stage, metric) → condition."""
        return {_stage_and_metric(name): Condition.of(text) for name, text in self.require.items()}


class TrainedStage(StageBase):
    """A stage that makes a policy."""

    lora: Lora | None = None
    checkpoints: Checkpoints = Checkpoints()


def stage_of_rows(data: Data) -> str | None:
    """The stage whose rows `data` takes."""
    return stage_named(data.source)


def stage_named(text: str) -> str | None:
    """NAME of `stage:NAME`."""
    return text.removeprefix(STAGE) if text.startswith(STAGE) else None


def _stage_and_metric(name: str) -> tuple[str, str]:
    stage, _, metric = name.partition(".")
    return stage, metric
