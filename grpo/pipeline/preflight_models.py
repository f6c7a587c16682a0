"""The models of stages that will run: can they be read, and can a reference be compared with its policy token by token?
Their tokenizers say so before anything is trained."""

from collections.abc import Iterable
from pathlib import Path

from grpo.errors import UserError
from grpo.pipeline.preflight_lengths import Reader, open_reader
from grpo.recipe.graph import model_of
from grpo.recipe.other_models import reference_model
from grpo.recipe.schema import Recipe
from grpo.recipe.trained_stages import RLStage


def open_readers(recipe: Recipe, names: Iterable[str], base: Path) -> dict[str, Reader]:
    """Tokenizer and context of each stage's model, every model read once. Raises UserError for one that cannot be read,
    with the stage that names it where it is not the recipe's own."""
    models = {name: model_of(recipe.stages, name, recipe.model) for name in names}
    owners = {model_of(recipe.stages, name, recipe.model): name for name in recipe.stages if recipe.stages[name].model}
    readers = {
        model: open_reader(model, base, f"stages.{owners[model]}.model" if model in owners else "model")
        for model in dict.fromkeys(models.values())
    }
    return {name: readers[model] for name, model in models.items()}


def check_reference(recipe: Recipe, name: str, reader: Reader, base: Path) -> None:
    """Raises UserError where stage `name`, whose own model `reader` reads, has a reference that cannot be read or has
    another vocabulary."""
    stage, other = recipe.stages[name], reference_model(recipe, name)
    if not isinstance(stage, RLStage) or other is None:
        return
    where = f"stages.{name}.reference"
    if other.trust_remote_code and not model_of(recipe.stages, name, recipe.model).trust_remote_code:
        raise UserError(
            f"the reference {stage.reference} brings code of its own, and the model of this stage is not to run any",
            where=where,
            advice="Set trust_remote_code: true for the model of this stage too, or take another reference.",
        )
    try:
        theirs = open_reader(other, base)
    except UserError as error:
        raise UserError(error.message, where=where, advice=error.advice) from error
    if theirs.tokenizer.get_vocab() != reader.tokenizer.get_vocab():
        raise UserError(
            f"the reference {stage.reference} has another vocabulary than the policy: tokens cannot be compared",
            where=where,
            advice="Distil into another family by `sft` on the teacher's traces.",
        )
