"""Keys: what a stage's result depends on, as one hash. A stage whose key is done is not run again.

A key covers what the recipe says of the stage (without what cannot change the result: memory, logging, checkpoints),
the seed, the model, the keys of the stages it takes a policy or rows from, and the content of every file it names.
Versions of packages are recorded beside it and are not part of it: an upgrade does not throw a finished run away.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from grpo.pipeline.base_policy import local_or_hub
from grpo.recipe.fields import Model
from grpo.recipe.graph import BASE, needs
from grpo.recipe.schema import Recipe

WITHOUT_EFFECT = frozenset(
    {
        "checkpoints", "gpu_memory_utilization", "keep_rollouts", "kv_cache_gib", "layout", "log_completions",
        "max_num_seqs", "memory_probe", "policy", "require", "reward_workers", "sleep", "template_changes",
        "tokens_per_microbatch",
    }
)  # fmt: skip
"""Settings that change what a stage needs or shows, and its result by rounding at most."""

NAMES_FILE = frozenset({"source", "template", "use"})
PYTHON_FILE = re.compile(r"\.py:[A-Za-z_]\w*$")
LONGEST_PATH = 1024  # a template may be a long Jinja text
WHOLE_FILE, PART = 64 * 2**20, 2**20


@dataclass(frozen=True)
class Key:
    """digest: 16 hexadecimal digits. what: all it was made of, for the record and for saying what changed."""

    digest: str
    what: Mapping[str, Any]


def stage_keys(recipe: Recipe, base: Path, order: Sequence[str]) -> dict[str, Key]:
    """Every stage's key. base: folder that the recipe's relative paths start from. order: each after those it needs."""
    keys: dict[str, Key] = {}
    for name in order:
        stage, found = recipe.stages[name], needs(recipe.stages, name)
        start = model_identity(recipe.model, base) if found.policy == BASE else keys[found.policy].digest
        what = {
            "settings": with_effect(stage.model_dump(mode="json"), base),
            "seed": recipe.seed,
            "model": recipe.model.model_dump(mode="json", exclude={"path"}),
            "starts_from": {found.policy: start},
            "rows": {other: keys[other].digest for other in found.rows},
        }
        keys[name] = Key(digest(what), what)
    return keys


def digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def with_effect(settings: Any, base: Path) -> Any:
    """Settings without those of `WITHOUT_EFFECT`, at any depth; a file stands as its name and its content's hash, so
    that it counts what it holds and not where it lies."""
    if isinstance(settings, dict):
        return {
            key: _with_content(value, base)
            if key in NAMES_FILE and isinstance(value, str)
            else with_effect(value, base)
            for key, value in settings.items()
            if key not in WITHOUT_EFFECT
        }
    return [with_effect(value, base) for value in settings] if isinstance(settings, list) else settings


def _with_content(name: str, base: Path) -> str:
    file, colon, function = name.rpartition(":") if PYTHON_FILE.search(name) else (name, "", "")
    path = base / Path(file).expanduser()
    if len(file) > LONGEST_PATH or "\n" in file or not path.is_file():
        return name
    return f"{path.name}#{file_digest(path)}{colon}{function}"


def model_identity(model: Model, base: Path) -> str:
    """A hash of the model's files, or of what makes a tiny one; a hub name stands for itself with its revision."""
    if model.tiny is not None:
        return digest(model.tiny.model_dump(mode="json"))
    place = Path(local_or_hub(str(model.path), base))
    if not place.is_dir():
        return f"{model.path}@{model.revision or 'main'}"
    return digest({path.name: file_digest(path) for path in sorted(place.iterdir()) if path.is_file()})


def file_digest(path: Path) -> str:
    """Of the content; of a file beyond 64 MiB its size and its first and last MiB."""
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns)


@cache
def _digest_of(path: Path, size: int, _modified: int) -> str:
    found = sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= WHOLE_FILE:
            for part in iter(lambda: file.read(PART), b""):
                found.update(part)
        else:
            found.update(file.read(PART))
            file.seek(-PART, 2)
            found.update(file.read(PART))
    return found.hexdigest()[:16]
