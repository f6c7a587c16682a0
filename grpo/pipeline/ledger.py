"""`stage.json`: what a stage was made from, whether it is done, and its figures."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grpo.atomic import write_atomic
from grpo.errors import UserError
from grpo.pipeline.lock import is_main_process
from grpo.stages.stage import StageResult


class Ledger:
    """Opened when a stage starts, closed when it is done. A stage that was started with other settings is refused."""

    def __init__(self, path: Path, *, what: Mapping[str, object], name: str) -> None:
        self.path, self.what, self.name = path, what, name

    def result(self) -> StageResult | None:
        """The stage's result where it is done, None where it is new or was stopped on the way.

        Raises UserError where the recipe was edited since the stage began.
        """
        if not self.path.exists():
            return None
        entry = json.loads(self.path.read_text())
        changed = list(differences(entry["what"], json.loads(json.dumps(self.what))))
        if changed:
            raise UserError(
                f"stage {self.name!r} was started with other settings: " + "; ".join(changed),
                where=str(self.path),
                advice="Put the old values back to go on with this run, or give the new run a run_dir of its own.",
            )
        if entry["status"] != "done":
            return None
        return StageResult(str(self.path.parent / entry["policy"]), entry["metrics"], tuple(entry["lines"]))

    def open(self) -> None:
        self._write({"status": "running"})

    def close(self, result: StageResult) -> None:
        self._write(
            {
                "status": "done",
                "policy": os.path.relpath(result.policy_path, self.path.parent),
                "metrics": dict(result.metrics),
                "lines": list(result.lines),
            }
        )

    def _write(self, state: dict[str, Any]) -> None:
        if is_main_process():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            entry = {"stage": self.name, "what": self.what} | state
            write_atomic(self.path, (json.dumps(entry, indent=2, sort_keys=True) + "\n").encode())


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Each leaf that differs, as `settings.steps: 10 → 20`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield f"{place}: {old!r} → {new!r}"
