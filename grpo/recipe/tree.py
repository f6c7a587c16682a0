"""A recipe before validation: nested mappings, and where each value was said.

Values come from several places: a base recipe, the recipe that extends it, the command line. Each keeps its place, so
that an error can name file and line, and so that a relative path means "beside the file that says it" (on the command
line: in the working directory).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.recipe.yaml_text import KeyPath, read_yaml

LIKE = "like"
DROPPED = object()
"""Stands where a stage that is `like` another dropped a mapping, until it is known what that other says."""


class Whole(dict[str, Any]):
    """A mapping of a stage that is `like` another and takes nothing of what that other says in its place: it was said
    after a null, or as a text that stands for a mapping."""


@dataclass(frozen=True)
class Place:
    """label: for people, such as `first.yaml, line 9`. folder: what a relative path said here is relative to."""

    label: str
    folder: Path


@dataclass(frozen=True)
class Tree:
    value: dict[str, Any]
    places: dict[KeyPath, Place]

    def place(self, path: KeyPath) -> Place | None:
        """Where the value at `path`, or the nearest mapping around it, was said."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None


def dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path)


def tree_of_file(path: Path) -> Tree:
    """Reads one recipe file, without following its `extends`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the recipe: {error}", where=str(path)) from None
    document = read_yaml(text, path.name)
    if not isinstance(document.value, dict):
        found = "is empty" if document.value is None else f"is a {type(document.value).__name__}"
        raise UserError(f"a recipe is a mapping of keys to values, this file {found}", where=str(path))
    folder = path.resolve().parent
    places = {key: Place(f"{path.name}, line {line}", folder) for key, line in document.lines.items()}
    return Tree(document.value, places)


def merge(under: Tree, over: Tree) -> Tree:
    """`over` wins; mappings are merged key by key, lists are replaced, and a mapping set to null is dropped."""
    places = dict(under.places)
    value = _merge(under.value, over.value, (), places, over.places, False)
    return Tree(value, places)


def _merge(
    under: dict[str, Any],
    over: dict[str, Any],
    path: KeyPath,
    places: dict[KeyPath, Place],
    over_places: dict[KeyPath, Place],
    like: bool,
) -> dict[str, Any]:
    """like: whether this is within a stage that is like another."""
    merged = Whole(under) if isinstance(under, Whole) else dict(under)
    for key, new in over.items():
        here = (*path, key)
        old, new_mapping = _expand(here, merged.get(key)), _expand(here, new)
        if new is DROPPED or (new is None and isinstance(old, dict)):
            _drop(merged, key, like)
            _replace_places(here, places, {})
        elif isinstance(old, dict) and isinstance(new_mapping, dict) and not isinstance(new, str | Whole):
            if here in over_places:  # a mapping that an override made on its way has none
                places[here] = over_places[here]
            likes = like or (path == ("stages",) and (LIKE in old or LIKE in new_mapping))
            under_it = Whole(old) if _nothing_inherited(merged, key, likes) else old
            merged[key] = _merge(under_it, new_mapping, here, places, over_places, likes)
        else:
            merged[key] = Whole(new) if isinstance(new, dict) and _nothing_inherited(merged, key, like) else new
            _replace_places(here, places, over_places)
    return merged


def _nothing_inherited(mapping: dict[str, Any], key: str, like: bool) -> bool:
    """Whether a stage that is like another says, at `key`, what stands in place of all that the other says there."""
    said = mapping.get(key, {})
    return like and (said is None or said is DROPPED or isinstance(said, str | Whole))


def _drop(mapping: dict[str, Any], key: str, like: bool) -> None:
    if like:
        mapping[key] = DROPPED
    else:
        mapping.pop(key, None)


def _replace_places(path: KeyPath, places: dict[KeyPath, Place], new: dict[KeyPath, Place]) -> None:
    for key in [key for key in places if key[: len(path)] == path]:
        del places[key]
    places.update({key: place for key, place in new.items() if key[: len(path)] == path})


def _expand(path: KeyPath, value: Any) -> Any:
    """A text that stands for a mapping (`model: NAME`, `rewards: [math]`), as that mapping."""
    if not isinstance(value, str):
        return value
    if path == ("model",) or (path[:1] == ("stages",) and path[2:] == ("model",)):
        return {"path": value}
    if path[-2:-1] == ("rewards",):
        return {"use": value}
    return value


def parse_override(text: str) -> tuple[KeyPath, Any]:
    """`a.b.0.c=VALUE` → the key path and the value, read as YAML; a part made of digits is a position in a list."""
    key, equals, value_text = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(part.strip() for part in parts):
        raise UserError(
            f"{text!r} is not an override",
            advice="Write key=value with the key's full path, such as stages.zero.learning_rate=1e-6.",
        )
    path = tuple(int(part) if part.isascii() and part.isdigit() else part for part in parts)
    try:
        return path, read_yaml(value_text, "value").value
    except UserError as error:
        raise UserError(f"the value of this override is {error.message}", where=text, advice=error.advice) from None


def override(tree: Tree, text: str) -> Tree:
    """The tree with one command-line override applied. Mappings on the way that are not there yet are made; a stage,
    which must say its kind, is not."""
    path, value = parse_override(text)
    if path[0] == "extends":
        raise UserError("`extends` belongs in a file", where=text)
    places = dict(tree.places)
    root = _set(tree.value, path, (), value, text, False)
    _replace_places(path, places, {path: Place(f"command line: {text}", Path.cwd())})
    return Tree(root, places)


def _set(container: Any, rest: KeyPath, walked: KeyPath, value: Any, text: str, like: bool) -> Any:
    """A copy of `container` with `value` at `rest`. like: see `_merge`."""
    if not rest:
        return value
    key, here = rest[0], dotted(walked) or "the recipe"
    container = _expand(walked, container) if walked else container
    if isinstance(container, list):
        if not isinstance(key, int) or key >= len(container):
            raise UserError(f"{here} is a list of {len(container)}: give a position from 0", where=text)
        return [
            _set(v, rest[1:], (*walked, key), value, text, like) if i == key else v for i, v in enumerate(container)
        ]
    if container is not None and not isinstance(container, dict):
        raise UserError(f"{here} is {container!r}, it has no key {key!r}", where=text)
    mapping, name = Whole(container) if isinstance(container, Whole) else dict(container or {}), str(key)
    if walked == ("stages",) and name not in mapping and len(rest) > 1:
        near = get_close_matches(name, list(mapping), n=1, cutoff=0.0)
        known = ", ".join(mapping) or "none"
        advice = f"Did you mean stages.{near[0]}?" if near else None
        raise UserError(f"no stage {name!r} (stages of this recipe: {known})", where=text, advice=advice)
    like = like or (walked[:1] == ("stages",) and len(walked) == 2 and LIKE in mapping)
    if value is None and len(rest) == 1 and isinstance(_expand((*walked, name), mapping.get(name)), dict):
        _drop(mapping, name, like)
        return mapping
    inner = mapping.get(name)
    if len(rest) > 1 and _nothing_inherited(mapping, name, like):
        inner = _expand((*walked, name), inner) or {}
        inner = Whole() if inner is DROPPED else Whole(inner) if isinstance(inner, dict) else inner
    mapping[name] = _set(inner, rest[1:], (*walked, name), value, text, like)
    return mapping


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value that is neither a mapping nor a list, with its key path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, (*path, i))
    else:
        yield path, value
