"""`like: STAGE` in a stage: it says what that stage says, except where it says something else.

    exam_zero:  {kind: evaluate, policy: zero, benchmarks: {…}}
    exam_final: {like: exam_zero, policy: final}

Filled in after `extends` and the command line, so that a change to the one changes the other.
"""

from typing import Any

from grpo.errors import UserError
from grpo.recipe.places import location
from grpo.recipe.tree import DROPPED, LIKE, Place, Tree, Whole, merge, parse_override
from grpo.recipe.yaml_text import KeyPath


def fill_likes(tree: Tree) -> Tree:
    """Raises UserError for a stage that is like none, or like itself by a detour."""
    stages = tree.value.get("stages")
    if not isinstance(stages, dict):
        return tree
    for name in [name for name, stage in stages.items() if isinstance(stage, dict) and LIKE in stage]:
        tree = _filled(tree, name, ())
    return tree


def own_list(tree: Tree, text: str) -> Tree:
    """Before the override `text`: where it names a position in a list that its stage only inherits, the list becomes
    the stage's own."""
    path, _ = parse_override(text)
    at = next((index for index, part in enumerate(path) if isinstance(part, int)), 0)
    stage, inner = path[:2], path[2:at]
    if path[0] != "stages" or not inner or not _has(tree.value, (*stage, LIKE)) or _has(tree.value, path[:at]):
        return tree
    filled = fill_likes(tree)
    if not _has(filled.value, path[:at]):
        return tree
    own: Any = _at(filled.value, path[:at])
    for key in reversed(path[:at]):
        own = {key: own}
    return merge(tree, Tree(own, {key: place for key, place in filled.places.items() if key[:at] == path[:at]}))


def _has(value: Any, path: KeyPath) -> bool:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _at(value: Any, path: KeyPath) -> Any:
    for key in path:
        value = value[key]
    return value


def _filled(tree: Tree, name: str, chain: tuple[str, ...]) -> Tree:
    stages: dict[str, Any] = tree.value["stages"]
    stage = stages[name]
    if not isinstance(stage, dict) or LIKE not in stage:
        return tree
    other, where = stage[LIKE], location(tree, ("stages", name, LIKE))
    if not isinstance(other, str):
        raise UserError(f"{other!r} given; must be the name of one stage", where=where)
    if other in (*chain, name):
        raise UserError(f"stages are like each other in a circle: {' → '.join((*chain, name, other))}", where=where)
    if other not in stages:
        raise UserError(f"no stage {other!r} (stages of this recipe: {', '.join(stages)})", where=where)
    tree = _filled(tree, other, (*chain, name))
    own = _without_dropped({key: value for key, value in stage.items() if key != LIKE}, tree.value["stages"][other])
    pattern = Tree({"stages": {name: tree.value["stages"][other]}}, _renamed(tree.places, other, name))
    merged = merge(pattern, Tree({"stages": {name: own}}, tree.places))
    kept = {path: place for path, place in tree.places.items() if path[:2] != ("stages", name)}
    value = tree.value | {"stages": tree.value["stages"] | merged.value["stages"]}
    return Tree(value, kept | {path: place for path, place in merged.places.items() if path[:2] == ("stages", name)})


def _without_dropped(own: dict[str, Any], pattern: Any) -> dict[str, Any]:
    """What was dropped stays marked only where the pattern has something to drop."""
    inherited = pattern if isinstance(pattern, dict) and not isinstance(own, Whole) else {}
    return type(own)(
        (key, _without_dropped(value, inherited.get(key)) if isinstance(value, dict) else value)
        for key, value in own.items()
        if value is not DROPPED or key in inherited
    )


def _renamed(places: dict[KeyPath, Place], old: str, new: str) -> dict[KeyPath, Place]:
    """The places of one stage as those of another."""
    root = {path: place for path, place in places.items() if len(path) < 2}
    return root | {("stages", new, *path[2:]): place for path, place in places.items() if path[:2] == ("stages", old)}
