"""A pass over a recipe's data and surroundings before anything expensive starts."""

from collections.abc import Iterator

from grpo.recipe.load import LoadedRecipe


def preflight(loaded: LoadedRecipe) -> Iterator[str]:
    yield from ()
