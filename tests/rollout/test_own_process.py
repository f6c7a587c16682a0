"""vLLM with its engine core in a process of its own: weights travel through shared memory."""

from collections.abc import Iterator

import pytest
import torch

from grpo.rollout import weight_transfer
from grpo.rollout.engine import Engine
from grpo.rollout.guards import WeightSync
from tests.rollout import engine_checks as checks

pytest.importorskip("vllm")


@pytest.fixture(scope="module")
def trainer(peaked):
    return peaked(tied=True)


@pytest.fixture(scope="module")
def engine(trainer) -> Iterator[Engine]:
    opened = trainer.open("vllm", placement="own_process")
    yield opened
    opened.close()


def test_completions_end_and_are_handed_on(engine: Engine, trainer) -> None:
    checks.check_ends(engine, trainer)


def test_abandoned_rounds(engine: Engine, trainer) -> None:
    rest = engine.generate(trainer.requests(), checks.Sampling(max_completion_length=checks.TOKENS))
    next(rest)
    rest.close()
    assert len(list(engine.generate(trainer.requests(), checks.Sampling(max_completion_length=2)))) == 16


def test_the_guards_pass_over_several_parts(engine: Engine, trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_transfer, "PART_BYTES", 100_000)
    metrics = WeightSync(engine, trainer.weights, trainer.score, trainer.probe()).prove(version=3)
    assert metrics["sync/canary"] < 1e-4 < metrics["sync/perturbation"]
    assert metrics["sync/renamed"] < 1e-4


def test_sync(engine: Engine, trainer) -> None:
    checks.check_sync(engine, trainer, tolerance=2e-4)
    lost = "model.layers.1.mlp.up_proj.weight"
    receipt = engine.sync([item for item in trainer.weights() if item[0] != lost], version=42)
    assert receipt.unreceived[0] == lost


def test_parts_are_bounded_and_whole() -> None:
    sizes = {"a": 4, "b": 4, "c": 50, "d": 1, "e": 7, "f": 1}
    weights = [(name, torch.ones(size)) for name, size in sizes.items()]
    parts = [list(part) for part in weight_transfer.in_parts(weights, part_bytes=32)]
    assert parts == [["a", "b"], ["c"], ["d", "e"], ["f"]]
