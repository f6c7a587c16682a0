"""What a stage is given, and what it hands on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo.recipe.fields import Model


@dataclass(frozen=True)
class Given:
    """Objects that Python code hands over where a recipe names a source: rows and reward functions by label."""

    rows: Iterable[Mapping[str, Any]] | None = None
    evaluation_rows: Iterable[Mapping[str, Any]] | None = None
    functions: Mapping[str, Callable] = field(default_factory=dict)

    def rows_of(self, key: str) -> Iterable[Mapping[str, Any]] | None:
        """In place of the source at this key of a stage."""
        return {"data": self.rows, "evaluate.data": self.evaluation_rows}.get(key)


@dataclass(frozen=True)
class StageInputs:
    """One stage of one run.

    name: the stage's name in the recipe. folder: where all it writes goes. base: folder that relative paths of the
    recipe start from. policy_path: the `from_pretrained` folder or hub name it starts from. reference_path: the same
    of its reference, where that is another policy.
    """

    name: str
    folder: Path
    base: Path
    seed: int
    model: Model
    policy_path: str
    reference_path: str | None = None
    trackers: tuple[str, ...] = ()
    project: str = "grpo"
    given: Given = Given()

    @property
    def final(self) -> Path:
        return self.folder / "final"

    def where(self, key: str) -> str:
        """The key's full path in the recipe, for messages."""
        return f"stages.{self.name}.{key}"


@dataclass(frozen=True)
class StageResult:
    """policy_path: the folder the next stage starts from, None where the stage trains none. metrics: the stage's last
    figures, for stage.json and for gates. lines: the stage's closing words for a person. data_path: the file of rows it
    made."""

    policy_path: str | None
    metrics: Mapping[str, float]
    lines: tuple[str, ...] = ()
    data_path: str | None = None
