"""What an `rl` stage does differently as it goes on.

Schedules count updates, as the papers do, and act between steps: a switch that falls inside a step takes effect with
the next.

DeepSeek-R1-Zero in our words (arXiv 2501.12948; 16 updates a step): the reference is replaced every 400 updates, which
is every 25 steps; the length switches at update 8,200, which is before step 514.
"""

from math import ceil
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import Field, PositiveInt, model_validator

from grpo.recipe.fields import Strict

if TYPE_CHECKING:
    from grpo.recipe.rl_settings import RLSettings
    from grpo.recipe.trained_stages import RLStage

Settings = TypeVar("Settings", bound="RLSettings")


class Change(Strict):
    """at_update: updates of the stage that are done when it takes effect. What is null stays. weights: of rewards, by
    label; mixture: weights of sources of prompts, by name; those not named stay."""

    at_update: PositiveInt
    max_completion_length: PositiveInt | None = None
    temperature: Annotated[float, Field(gt=0)] | None = None
    weights: dict[str, float] = {}
    mixture: dict[str, Annotated[float, Field(ge=0)]] = {}

    @model_validator(mode="after")
    def _something(self) -> "Change":
        if not self.settings and not self.weights and not self.mixture:
            raise ValueError("changes nothing: give max_completion_length, temperature, weights or mixture")
        return self

    @property
    def settings(self) -> dict[str, float | int]:
        """Settings of the stage, by name."""
        found = {"max_completion_length": self.max_completion_length, "temperature": self.temperature}
        return {name: value for name, value in found.items() if value is not None}


def in_force(settings: "RLSettings", step: int) -> list[Change]:
    """The changes that are in force in a step (from 1), earliest first."""
    done = updates_before(settings, step)
    return sorted((change for change in settings.changes if change.at_update <= done), key=lambda each: each.at_update)


def settings_at(settings: Settings, step: int) -> Settings:
    """The settings of a step (from 1), changes applied."""
    update: dict[str, float | int] = {}
    for change in in_force(settings, step):
        update |= change.settings
    return settings.model_copy(update=update) if update else settings


def weights_at(settings: "RLStage", step: int) -> dict[str, float]:
    """The rewards' weights in a step (from 1), by label."""
    weights = {reward.label: reward.weight for reward in settings.all_rewards}
    for change in in_force(settings, step):
        weights |= change.weights
    return weights


def mixture_at(settings: "RLStage", step: int) -> dict[str, float]:
    """The weights of the sources of prompts in a step (from 1), by name."""
    weights = {name: source.weight for name, source in settings.sources.items()}
    for change in in_force(settings, step):
        weights |= change.mixture
    return weights


def reference_after(settings: "RLSettings", step: int) -> int:
    """The step whose policy is the reference in step `step` (from 1); 0: the policy that the stage began with."""
    every = settings.refresh_reference_every
    if every is None:
        return 0
    refreshes = updates_before(settings, step) // every
    return step_of_update(settings, refreshes * every) - 1


def updates_before(settings: "RLSettings", step: int) -> int:
    return (step - 1) * settings.updates_per_step


def step_of_update(settings: "RLSettings", update: int) -> int:
    """The first step (from 1) before which at least `update` updates are done."""
    return 1 + ceil(update / settings.updates_per_step)
