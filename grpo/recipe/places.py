"""Environment variables and relative paths in a recipe's values.

`${NAME}` and `${NAME:-default}` are replaced in every text; `$${` stands for a literal `${`. A leading `~/` is the home
folder. A relative path in `data.source`, `data.template`, a reward's `use` and `model.path` is relative to the file
that says it; to the working directory where the command line or a variable at its beginning says it, as in a shell.
`run_dir` is always relative to the working directory, so that a shipped recipe writes nothing into the installation.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.recipe.tree import Place, Tree, dotted
from grpo.recipe.yaml_text import KeyPath

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{([^}]*)\}?")
_DATA_FILE = re.compile(r"\.(jsonl|ndjson|json|parquet|csv)(\.gz)?$", re.IGNORECASE)
_PYTHON_FILE = re.compile(r"\.py:[A-Za-z_]\w*$")


def fill_variables(tree: Tree, environment: Mapping[str, str]) -> Tree:
    """Replaces environment variables and `~/`. Raises UserError for a variable that is not set and has no default."""

    places = dict(tree.places)

    def fill(path: KeyPath, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        filled = _VARIABLE.sub(lambda match: _variable(match, environment, tree, path), value)
        first, place = _VARIABLE.match(value), tree.place(path)
        if first and place and environment.get(first.group(1) or ""):
            places[path] = Place(place.label, Path.cwd())
        return os.path.expanduser(filled) if filled == "~" or filled.startswith("~/") else filled

    value = _map_leaves(tree.value, (), fill)
    return Tree(value, places)


def _variable(match: re.Match[str], environment: Mapping[str, str], tree: Tree, path: KeyPath) -> str:
    name, default, malformed = match.groups()
    if match.group() == "$${":
        return "${"
    if malformed is not None:
        raise UserError(
            f"{match.group()!r} is not a variable: write ${{NAME}} or ${{NAME:-default}}, and $${{ for a literal ${{",
            where=location(tree, path),
        )
    if name in environment and (environment[name] or default is None):
        return environment[name]
    if default is None:
        raise UserError(
            f"the environment variable {name} is not set",
            where=location(tree, path),
            advice=f"Set it (export {name}=…), or give a default: ${{{name}:-default}}.",
        )
    return default


def anchor_paths(tree: Tree) -> Tree:
    """Makes relative paths of files absolute, from the folder of the place that says them."""

    def anchor(path: KeyPath, value: Any) -> Any:
        place = tree.place(path)
        if not isinstance(value, str) or place is None or not _names_file(path, value, place.folder):
            return value
        return os.path.normpath(place.folder / value)

    return Tree(_map_leaves(tree.value, (), anchor), tree.places)


def _names_file(path: KeyPath, value: str, folder: Path) -> bool:
    if path[-1] == "source" and "data" in path[-3:-1] or "against" in path[-3:-1]:
        is_file = _DATA_FILE.search(value) or _PYTHON_FILE.search(value)
        return "://" not in value and bool(is_file or (folder / value).is_dir())
    if path[-1] == "template" and "data" in path[-3:-1]:
        return value.endswith(".jinja") and "{{" not in value
    in_stage = path[2:] if path[:1] == ("stages",) else path
    if in_stage in (("model",), ("model", "path"), ("reference",)):
        return value.startswith(("./", "../")) or (folder / value).is_dir()
    is_reward = path[-2:-1] == ("rewards",) or (path[-3:-2] == ("rewards",) and path[-1] == "use")
    return is_reward and bool(_PYTHON_FILE.search(value))


def location(tree: Tree, path: KeyPath) -> str:
    """The key's full path and where it was said, such as `stages.zero.steps (first.yaml, line 9)`."""
    place = tree.place(path)
    return f"{dotted(path)} ({place.label})" if place else dotted(path)


def _map_leaves(value: Any, path: KeyPath, change: Callable[[KeyPath, Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: _map_leaves(inner, (*path, key), change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_map_leaves(inner, (*path, i), change) for i, inner in enumerate(value)]
    return change(path, value)
