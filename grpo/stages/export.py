"""A policy as others want to have it: `final/` in the precision asked for, with a card that says what it was made from.

final/              weights, configuration, tokenizer
final/README.md     the card
final/lineage.json  every stage that it came by: its key, settings, and where it started
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from accelerate import PartialState

from grpo.atomic import write_folder
from grpo.models.pretrained import load_pretrained
from grpo.recipe.sampled_stages import ExportStage
from grpo.stages.stage import StageInputs, StageResult

LEDGER = "stage.json"


def run(settings: ExportStage, inputs: StageInputs) -> StageResult:
    """Raises UserError where the policy cannot be loaded."""
    if PartialState().is_main_process:
        came_by = list(lineage(inputs.folder.parent, inputs.name))
        model, tokenizer = load_pretrained(inputs.model, inputs.policy_path, dtype=settings.dtype)

        def write(folder: Path) -> None:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            (folder / "lineage.json").write_text(json.dumps(came_by, indent=2, sort_keys=True) + "\n")
            (folder / "README.md").write_text(card(came_by, settings.dtype))

        write_folder(inputs.final, write)
    PartialState().wait_for_everyone()
    line = f"{inputs.name}: {settings.dtype} in {inputs.final}"
    return StageResult(str(inputs.final), {}, (line,))


def lineage(root: Path, name: str) -> Iterator[Mapping[str, Any]]:
    """What the ledgers say of the stages that the policy came by, last first, and of stages whose rows they took."""
    waiting, seen = [name], set()
    while waiting:
        stage = waiting.pop(0)
        path = root / stage / LEDGER
        if stage in seen or not path.exists():
            continue
        seen.add(stage)
        entry = json.loads(path.read_text())
        what = entry["what"]
        yield {"stage": stage, "key": entry["key"], **what, "metrics": entry.get("metrics", {})}
        waiting += [*what["starts_from"], *what["rows"], *what.get("reference", {})]


def card(came_by: list[Mapping[str, Any]], dtype: str) -> str:
    """In words, first stage first."""
    lines = [
        "# A policy trained with grpo",
        "",
        f"Weights in {dtype}. Made by these stages (`lineage.json` has all):",
        "",
    ]
    for entry in reversed(came_by):
        start = ", ".join(entry["starts_from"])
        rows = f", rows of {', '.join(entry['rows'])}" if entry["rows"] else ""
        lines.append(f"- `{entry['stage']}` ({entry['settings']['kind']}), from {start}{rows}; key `{entry['key']}`")
    return "\n".join(lines) + "\n"
