"""One recipe file, with what it extends, overrides and environment variables → a checked `Recipe`.

Every mistake is one UserError that names the key's full path, the file and line that say it, what was given and what is
allowed. Nothing here imports torch: a recipe is checked in a fraction of a second.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from grpo.errors import UserError
from grpo.recipe.explain import explain
from grpo.recipe.likes import fill_likes, own_list
from grpo.recipe.lookup import expects_number
from grpo.recipe.places import anchor_paths, fill_variables, location
from grpo.recipe.schema import Recipe
from grpo.recipe.shipped import find_recipe
from grpo.recipe.tree import Tree, leaves, merge, override, tree_of_file
from grpo.recipe.yaml_text import write_yaml


@dataclass(frozen=True)
class LoadedRecipe:
    """recipe: checked. path: its file. base: the folder that relative paths in rewards' and tasks' parameters are
    relative to. resolved: every key with its value, defaults included; its YAML is a recipe that loads
    equal, from any folder (run_dir alone stays as it was given: relative to the working directory)."""

    recipe: Recipe
    path: Path
    base: Path
    resolved: dict[str, Any]

    def resolved_yaml(self) -> str:
        return write_yaml(self.resolved)


def load_recipe(path_or_name: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Loads a recipe by its path or by the name of a shipped one.

    overrides: texts `key.path=value`, applied in order over the file and what it extends.
    Raises UserError.
    """
    path = find_recipe(path_or_name)
    tree = _with_bases(path, ())
    for text in overrides:
        tree = override(own_list(tree, text), text)
    tree = fill_likes(tree)
    tree = anchor_paths(fill_variables(tree, os.environ))
    _refuse_surprising_numbers(tree)
    try:
        recipe = Recipe.model_validate(tree.value)
    except ValidationError as error:
        raise explain(error, tree, path.name) from None
    return LoadedRecipe(recipe, path, path.parent, recipe.model_dump(mode="json"))


def _with_bases(path: Path, chain: tuple[Path, ...]) -> Tree:
    tree = tree_of_file(path)
    if "extends" not in tree.value:
        return tree
    base, where = tree.value["extends"], location(tree, ("extends",))
    if not isinstance(base, str):
        raise UserError(f"{base!r} given; must be one file or the name of a shipped recipe", where=where)
    base_path = find_recipe(base, beside=path.parent, where=where)
    chain = (*chain, path)
    if base_path in chain:
        loop = " → ".join(each.name for each in (*chain[chain.index(base_path) :], base_path))
        raise UserError(f"recipes extend each other in a circle: {loop}", where=where)
    own = {key: value for key, value in tree.value.items() if key != "extends"}
    return merge(_with_bases(base_path, chain), Tree(own, tree.places))


def _refuse_surprising_numbers(tree: Tree) -> None:
    """pydantic would take `steps: true` for 1."""
    for path, value in leaves(tree.value):
        if isinstance(value, bool) and expects_number(path, tree.value):
            raise UserError(f"{str(value).lower()} given; must be a number", where=location(tree, path))
