"""`like: STAGE` in a stage: it says what that stage says, except where it says something else.

    exam_zero:  {kind: evaluate, policy: zero, benchmarks: {…}}
    exam_final: {like: exam_zero, policy: final}

Filled in after `extends` and the command line, so that a change to the one changes the other.
"""

from typing import Any

from grpo.errors import UserError
from grpo.recipe.places import location
from grpo.recipe.tree import Place, Tree, merge
from grpo.recipe.yaml_text import KeyPath

LIKE = "like"


def fill_likes(tree: Tree) -> Tree:
    """Raises UserError for a stage that is like none, or like itself by a detour."""
    stages = tree.value.get("stages")
    if not isinstance(stages, dict):
        return tree
    for name in [name for name, stage in stages.items() if isinstance(stage, dict) and LIKE in stage]:
        tree = _filled(tree, name, ())
    return tree


def _filled(tree: Tree, name: str, chain: tuple[str, ...]) -> Tree:
    stages: dict[str, Any] = tree.value["stages"]
    stage = stages[name]
    if not isinstance(stage, dict) or LIKE not in stage:
        return tree
    other, where = stage[LIKE], location(tree, ("stages", name, LIKE))
    if other in (*chain, name):
        raise UserError(f"stages are like each other in a circle: {' → '.join((*chain, name, other))}", where=where)
    if other not in stages:
        raise UserError(f"no stage {other!r} (stages of this recipe: {', '.join(stages)})", where=where)
    tree = _filled(tree, other, (*chain, name))
    own = {key: value for key, value in stage.items() if key != LIKE}
    pattern = Tree({"stages": {name: tree.value["stages"][other]}}, _renamed(tree.places, other, name))
    merged = merge(pattern, Tree({"stages": {name: own}}, tree.places))
    kept = {path: place for path, place in tree.places.items() if path[:2] != ("stages", name)}
    value = tree.value | {"stages": tree.value["stages"] | merged.value["stages"]}
    return Tree(value, kept | {path: place for path, place in merged.places.items() if path[:2] == ("stages", name)})


def _renamed(places: dict[KeyPath, Place], old: str, new: str) -> dict[KeyPath, Place]:
    """The places of one stage as those of another."""
    root = {path: place for path, place in places.items() if len(path) < 2}
    return root | {("stages", new, *path[2:]): place for path, place in places.items() if path[:2] == ("stages", old)}
