"""A policy meets prompts of the form it was trained on, unless the recipe says that a change is meant.

A chat template that changed between two stages has cost public runs their result, without a message anywhere.
"""

from collections.abc import Iterator, Mapping

from grpo.errors import UserError
from grpo.pipeline.data_sets import data_sets
from grpo.recipe.fields import Data
from grpo.recipe.graph import BASE, policy_of
from grpo.recipe.schema import Stage
from grpo.stages.stage import Given

FORM = ("template", "system", "examples", "chat_template_kwargs")


def check_templates(stages: Mapping[str, Stage], given: Given) -> None:
    """Raises UserError for a stage whose prompts look different from those its policy was trained on."""
    for name, stage in stages.items():
        start = policy_of(stages, name)
        if start == BASE or stage.template_changes:
            continue
        trained = [each.data for each in data_sets(start, stages[start], given) if each.trains]
        for each in data_sets(name, stage, given):
            differences = [list(_differences(before, each.data)) for before in trained]
            if all(differences):
                raise UserError(
                    f"prompts look different from those that its policy, {start}, was trained on: {differences[0][0]}",
                    where=each.where,
                    advice=f"Use the same, or set stages.{name}.template_changes: true if it is meant.",
                )


def _differences(before: Data, data: Data) -> Iterator[str]:
    for setting in FORM:
        old, new = getattr(before, setting), getattr(data, setting)
        if old != new:
            yield f"{setting} {_short(old)} there, {_short(new)} here"


def _short(value: object) -> str:
    text = repr(value) if value else "none"
    return text if len(text) < 60 else text[:57] + "…"
