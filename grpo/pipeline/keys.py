"""Keys: what a stage's result depends on, as one hash. A stage whose key is done is not run again.

A key covers what the recipe says of the stage (without what it only needs or shows), the seed, the model, the keys of
the stages it takes a policy or rows from, and the content of every local file and folder it names. What has no content
here stands by its name: a hub's model or data set, a function of an installed package, rows given from Python. Versions
of packages are recorded beside the key and are not part of it: an upgrade does not throw a finished run away.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from grpo.pipeline.base_policy import local_or_hub
from grpo.recipe.fields import Model
from grpo.recipe.graph import BASE, model_of, needs
from grpo.recipe.schema import Recipe
from grpo.recipe.trained_stages import RLStage

WITHOUT_EFFECT = frozenset(
    {
        "checkpoints", "gradient_checkpointing", "keep_rollouts", "layout", "log_completions", "max_unjudged",
        "memory_probe", "microbatch_size", "model", "policy", "require", "reward_workers", "template_changes",
        "tokens_per_microbatch", "torch_compile",
    }
)  # fmt: skip
"""Settings of a stage that say what it needs or shows or when it stops, and change its result by rounding at most."""

ROLLOUT_WITHOUT_EFFECT = frozenset(
    {"canary_tolerance", "gpu_memory_utilization", "kv_cache_gib", "max_num_seqs", "sleep"}
)
"""The same of `rollout`."""

UNSET: tuple[Any, ...] = (None, [], {})
OPEN = frozenset({"params", "options", "engine_args", "chat_template_kwargs"})
"""Mappings whose keys belong to others: what is not set there may differ from what is left out."""

PART = 2**20
WINDOWS = 64  # a trained weight differs nearly everywhere


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
        model = model_of(recipe.stages, name, recipe.model)
        start = model_identity(model, base) if found.policy == BASE else keys[found.policy].digest
        what: dict[str, Any] = {
            "settings": with_effect(stage.model_dump(mode="json"), base),
            "seed": recipe.seed,
            "model": _with_content(model.model_dump(mode="json", exclude={"path"}), base),
            "starts_from": {found.policy: start},
            "rows": {other: keys[other].digest for other in found.rows},
        }
        if isinstance(stage, RLStage) and stage.mixture:
            what["sources_in_order"] = list(stage.mixture)  # which the draws follow, and a mapping's digest does not
        if found.reference is not None:
            what["reference"] = {found.reference: keys[found.reference].digest}
        keys[name] = Key(digest(what), what)
    return keys


def digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def with_effect(settings: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """A stage's settings without those that have no effect; a file stands as its name and its content's hash, so that
    it counts what it holds and not where it lies. What is not set is left out: a later version that knows more settings
    finds the same key."""
    kept = {key: value for key, value in settings.items() if key not in WITHOUT_EFFECT}
    if "rollout" in kept:
        kept["rollout"] = {key: value for key, value in kept["rollout"].items() if key not in ROLLOUT_WITHOUT_EFFECT}
    return _with_content(kept, base)


def _with_content(value: Any, base: Path, open_: bool = False) -> Any:
    """open_: `value` stands in a mapping whose keys are not ours."""
    if isinstance(value, dict):
        return {
            key: _with_content(each, base, open_ or key in OPEN)
            for key, each in value.items()
            if open_ or each not in UNSET
        }
    if isinstance(value, list):
        return [_with_content(each, base, open_) for each in value]
    return _named_content(value, base) if isinstance(value, str) else value


def _named_content(text: str, base: Path) -> str:
    """`rewards.py:f` → `rewards.py#0123456789abcdef:f`; a text that names no file or folder stays."""
    file, colon, function = text.rpartition(":") if ".py:" in text else (text, "", "")
    if not file or "{{" in file or "{%" in file:
        return text
    path = os.path.join(base, os.path.expanduser(file))
    if os.path.isfile(path):
        return f"{Path(path).name}#{file_digest(Path(path))}{colon}{function}"
    if os.sep in file and os.path.isdir(path):
        return f"{Path(path).name}#{_folder_digest(Path(path))}"
    return text


def model_identity(model: Model, base: Path) -> str:
    """A hash of the model's files, or of what makes a tiny one; a hub name stands for itself with its revision."""
    if model.tiny is not None:
        return digest(model.tiny.model_dump(mode="json"))
    place = Path(local_or_hub(str(model.path), base))
    if not place.is_dir():
        return f"{model.path}@{model.revision or 'main'}"
    return digest({path.name: weights_digest(path) for path in sorted(place.iterdir()) if path.is_file()})


def file_digest(path: Path) -> str:
    """Of the whole content."""
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns, None)


def weights_digest(path: Path) -> str:
    """Of the content; of a large file of its size and of windows spread over it: gigabytes would take a minute at every
    start."""
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns, WINDOWS)


def _folder_digest(folder: Path) -> str:
    """Of rows every byte counts; a model's folder is taken as `model_identity` takes it."""
    digest_of = weights_digest if (folder / "config.json").is_file() else file_digest
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest({path.relative_to(folder).as_posix(): digest_of(path) for path in files})


@cache
def _digest_of(path: Path, size: int, _modified: int, windows: int | None) -> str:
    found = sha256(str(size).encode())
    with path.open("rb") as file:
        if windows is None or size <= windows * PART:
            for part in iter(lambda: file.read(PART), b""):
                found.update(part)
        else:
            for window in range(windows):
                file.seek((size - PART) * window // (windows - 1))
                found.update(file.read(PART))
    return found.hexdigest()[:16]
