"""Can a reference be compared with its policy, token by token? Their tokenizers say so before anything is trained."""

from pathlib import Path

from grpo.errors import UserError
from grpo.pipeline.preflight_lengths import open_reader
from grpo.recipe.fields import Model
from grpo.recipe.graph import model_of
from grpo.recipe.schema import Recipe
from grpo.recipe.stage_base import stage_named
from grpo.recipe.trained_stages import RLStage


def check_reference(recipe: Recipe, name: str, base: Path) -> None:
    """Raises UserError where stage `name` has a reference that cannot be read or has another vocabulary."""
    stage = recipe.stages[name]
    if not isinstance(stage, RLStage) or stage.reference is None:
        return
    where = f"stages.{name}.reference"
    teacher = stage_named(stage.reference)
    own = model_of(recipe.stages, name, recipe.model)
    other = Model(path=stage.reference) if teacher is None else model_of(recipe.stages, teacher, recipe.model)
    try:
        reader = open_reader(other, base)
    except UserError as error:
        raise UserError(error.message, where=where, advice=error.advice) from error
    if reader.tokenizer.get_vocab() != open_reader(own, base).tokenizer.get_vocab():
        raise UserError(
            f"the reference {stage.reference} has another vocabulary than the policy: tokens cannot be compared",
            where=where,
            advice="Distil into another family by `sft` on the teacher's traces.",
        )
