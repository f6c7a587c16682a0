"""A tiny model, and a run that is stopped in the middle."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grpo.models.tiny import make_tiny
from grpo.recipe.fields import TinyModel
from grpo.report.record import Record


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny(TinyModel(layers=1, hidden_size=64, heads=1, kv_heads=1, intermediate_size=64), path, seed=0)
    return path


@contextmanager
def stopped_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A run inside dies before it records `step`."""
    record = Record.step

    def dying(self: Record, at: int, *rest: object) -> None:
        if at == step:
            raise KeyboardInterrupt
        record(self, at, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Record, "step", dying)
        yield
