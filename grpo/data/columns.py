"""Column mapping: ours → theirs. `{prompt: "{{Body}}. {{Question}}", solution: Answer}`

A value is a column's name (the column is renamed) or a Jinja text over the row (its columns stay). All other columns
stay as they are and go to the rewards. `solution` is the reference; where there is none, `answer` is understood as it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from jinja2 import Template

from grpo.data.sandbox import compile_text, is_jinja, render
from grpo.errors import UserError


@dataclass(frozen=True)
class ColumnMapping:
    """The mapping of one recipe, its Jinja texts compiled once."""

    names: Mapping[str, str]
    texts: Mapping[str, Template]
    where: str

    @classmethod
    def of(cls, columns: Mapping[str, str], *, where: str) -> "ColumnMapping":
        """`where` is the data's place in the recipe, e.g. `stages.zero.data`."""
        names = {ours: theirs for ours, theirs in columns.items() if not is_jinja(theirs)}
        texts = {
            ours: compile_text(text, where=f"{where}.columns.{ours}")
            for ours, text in columns.items()
            if is_jinja(text)
        }
        return cls(names, texts, where)

    def apply(self, row: Mapping[str, Any], place: str) -> dict[str, Any]:
        """One row under our names. `place` names the row in errors (file and number)."""
        for ours, theirs in self.names.items():
            if theirs not in row:
                raise missing_column(theirs, row, place, where=f"{self.where}.columns.{ours}")
        renamed = set(self.names.values())
        mapped = {ours: row[theirs] for ours, theirs in self.names.items()}
        mapped |= {
            ours: render(text, row, where=f"{self.where}.columns.{ours}", place=place)
            for ours, text in self.texts.items()
        }
        mapped |= {name: value for name, value in row.items() if name not in renamed and name not in mapped}
        if "solution" not in mapped and "answer" in mapped:
            mapped["solution"] = mapped["answer"]
        return mapped


def missing_column(name: str, present: Iterable[str], place: str, *, where: str, advice: str = "") -> UserError:
    """The error for a column that a row lacks: which, where, what there is, and the nearest name."""
    present = list(present)
    near = get_close_matches(name.lower(), [column.lower() for column in present], n=1)
    guess = next((column for column in present if near and column.lower() == near[0]), None)
    columns = f"Columns there: {', '.join(present) or 'none'}."
    parts = [columns, f"Did you mean {guess!r}?" if guess else "", advice]
    return UserError(f"{place} has no column {name!r}", where=where, advice=" ".join(part for part in parts if part))
