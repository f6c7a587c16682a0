"""`stage.json`: what a stage was made from, whether it is done, and its figures."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from grpo.atomic import write_atomic
from grpo.errors import UserError
from grpo.pipeline.keys import Key
from grpo.recipe.graph import REPLACED
from grpo.report.environment import package_versions
from grpo.stages.stage import StageResult

LEDGER = "stage.json"


@dataclass(frozen=True)
class State:
    """new: nothing there. running: stopped on the way, and goes on. done. changed: what is there was made from
    something else than the recipe says now.

    why: what changed. before: what it was made from. finished: it was done. empty: nothing was made yet.
    """

    status: Literal["new", "running", "done", "changed"]
    why: tuple[str, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    finished: bool = False
    empty: bool = False


class Ledger:
    """The ledger of one stage in its folder."""

    def __init__(self, folder: Path, name: str, key: Key) -> None:
        self.folder, self.name, self.key = folder, name, key
        self.path = folder / LEDGER
        self._started = time.monotonic()

    def state(self) -> State:
        entry = self._read()
        if entry is None:
            return State("new")
        finished = entry["status"] == "done"
        if entry["key"] != self.key.digest:
            why = tuple(differences(entry["what"], self.key.what))
            empty = {path.name for path in self.folder.iterdir()} <= {LEDGER}
            return State("changed", why, entry["what"], finished, empty)
        return State("done" if finished else "running", finished=finished)

    def result(self) -> StageResult:
        """Of a stage that is done."""
        entry = self._read()
        assert entry is not None and entry["status"] == "done"
        places = {name: entry[name] and str(self.folder / entry[name]) for name in ("policy", "data")}
        return StageResult(places["policy"], entry["metrics"], tuple(entry["lines"]), places["data"])

    def open(self, passed_over: Mapping[str, str]) -> None:
        """The stage begins or goes on. passed_over: gates that did not hold, and that the user passed over. On the main
        process alone, as everything that writes here."""
        self._started = time.monotonic()
        before = (self._read() or {}).get("launches", [])
        launch = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "packages": package_versions()}
        if passed_over:
            launch["gates_passed_over"] = dict(passed_over)
        self._write({"status": "running", "launches": [*before, launch]})

    def close(self, result: StageResult) -> None:
        entry = self._read()
        assert entry is not None, "a stage is opened before it is closed"
        entry["launches"][-1]["seconds"] = round(time.monotonic() - self._started, 1)
        self._write(
            {
                "status": "done",
                "launches": entry["launches"],
                "policy": result.policy_path and os.path.relpath(result.policy_path, self.folder),
                "data": result.data_path and os.path.relpath(result.data_path, self.folder),
                "metrics": dict(result.metrics),
                "lines": list(result.lines),
            }
        )

    def set_aside(self) -> Path:
        """Moves what is there out of the way, under the run folder's `replaced/`: nothing that was computed is lost."""
        entry = self._read()
        assert entry is not None, "there is something to set aside"
        first = self.folder.parent / REPLACED / f"{self.name}-{entry['key']}"
        place, number = first, 1
        while place.exists():
            number += 1
            place = first.with_name(f"{first.name}-{number}")
        place.parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.folder, place)
        return place

    def _read(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        try:
            entry = json.loads(self.path.read_text())
        except ValueError as error:
            raise UserError(
                f"not readable: {error}",
                where=str(self.path),
                advice=f"Move {self.folder} away: the stage then starts anew.",
            ) from error
        if "key" not in entry:
            raise UserError(
                f"stage {self.name!r} was made by an earlier version, which did not record what from",
                where=str(self.path),
                advice="Give this run a run_dir of its own, or move the folder away.",
            )
        return entry

    def _write(self, state: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        entry = {"stage": self.name, "key": self.key.digest, "what": self.key.what} | state
        write_atomic(self.path, (json.dumps(entry, indent=2, sort_keys=True) + "\n").encode())


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Each leaf that differs, as `settings.steps: 10 → 20`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{place}.{number}")
    elif old != new:
        yield f"{place}: {old!r} → {new!r}"
