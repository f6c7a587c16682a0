"""The guards stop a run whose engine is made wrong for real: a corrupt layer, a stale head, a skipped sync, a tensor
that got lost. vLLM in this process, bf16, tied embeddings."""

from collections.abc import Callable, Iterator

import pytest
import torch

from grpo.errors import GuardError
from grpo.rollout.guards import WeightSync

pytest.importorskip("vllm")


@pytest.fixture(scope="module")
def trainer(peaked):
    return peaked("bfloat16")


@pytest.fixture(scope="module")
def engine(trainer):
    opened = trainer.open("vllm")
    yield opened
    opened.close()


@pytest.fixture
def sync(engine, trainer) -> WeightSync:
    """Guards over an engine that holds the policy."""
    guarded = WeightSync(engine, trainer.weights, trainer.score, trainer.probe())
    guarded.push(version=0)
    return guarded


def engine_model(engine) -> torch.nn.Module:
    return engine._llm.llm_engine.model_executor.driver_worker.worker.model_runner.model


def moved(trainer, size: float) -> Iterator[tuple[str, torch.Tensor]]:
    """A policy at a distance from the trainer's: every tensor moved by `size` of its spread."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in trainer.weights():
        noise = torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
        yield name, tensor + size * tensor.float().std().to(tensor.dtype) * noise


def test_an_honest_engine_passes(sync: WeightSync) -> None:
    metrics = sync.prove(version=1)
    assert metrics["sync/canary"] < 0.05 < metrics["sync/perturbation"]
    assert metrics["sync/renamed"] < 0.05
    assert sync.push(version=2)["sync/canary"] == metrics["sync/canary"]


def test_one_corrupt_layer_of_the_engine(sync: WeightSync, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that is overwritten behind every sync."""
    honest = type(engine).sync

    def corrupting(self, weights, version):
        receipt = honest(self, weights, version)
        with torch.no_grad():
            engine_model(engine).model.layers[1].input_layernorm.weight.zero_()
        return receipt

    monkeypatch.setattr(type(engine), "sync", corrupting)
    with pytest.raises(GuardError, match=r"version 5 the engine's log-probs on the probe differ"):
        sync.push(version=5)


@pytest.fixture
def stale_head(engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """stale_head(): from now on the engine's lm_head keeps the embedding it has, as a packed copy that nobody rebuilds.

    Without `repack_tied` that is what happens where this CPU's kernels pack the head. Where they do not (bf16 without
    instructions for it) they read the live tensor, so the copy is made here.
    """

    def keep() -> None:
        head = engine_model(engine).lm_head
        monkeypatch.setattr("grpo.rollout.ledger.Ledger.repack_tied", lambda self: None)
        if head.weight.numel():
            old = head.weight.detach().clone()
            monkeypatch.setattr(head, "cpu_linear", lambda x, weight, bias: torch.nn.functional.linear(x, old, bias))

    return keep


def test_a_stale_head_is_found_at_start(sync: WeightSync, stale_head: Callable[[], None]) -> None:
    """The engine's packed lm_head keeps the old embedding: equal to the trainer's until training moves it."""
    stale_head()
    assert sync.push(version=6)["sync/canary"] < sync.tolerance
    with pytest.raises(GuardError, match="does not reach the engine's embedding or its lm_head"):
        sync.prove(version=7)


def test_a_stale_head_is_found_by_the_canary_once_the_policy_moves(
    sync: WeightSync, trainer, engine, stale_head: Callable[[], None]
) -> None:
    engine.sync(moved(trainer, 0.5), version=8)
    stale_head()
    with pytest.raises(GuardError, match="log-probs on the probe differ"):
        sync.push(version=9)


def test_a_skipped_sync(sync: WeightSync, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that delivers nothing, and one that starts and finishes without a part."""

    class Nothing:
        def send(self, llm, weights, version):
            pass

    class Empty:
        def send(self, llm, weights, version):
            llm.start_weight_update()
            llm.finish_weight_update()

    monkeypatch.setattr(engine, "_transport", Nothing())
    with pytest.raises(GuardError, match="weight version 0 after a sync of version 10"):
        sync.push(version=10)
    monkeypatch.setattr(engine, "_transport", Empty())
    with pytest.raises(GuardError, match="weight version 0 after a sync of version 10"):
        sync.push(version=10)


def test_an_engine_out_of_reach_is_found_at_start(sync: WeightSync, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Receipts are in order, but the engine samples with other weights than those that syncs write."""
    probe = engine.logprobs
    before = probe(sync._probe)
    monkeypatch.setattr(engine, "logprobs", lambda sequences: before)
    with pytest.raises(GuardError, match="moved by 0 nats"):
        sync.prove(version=11)


def test_one_tensor_lost_in_transport(sync: WeightSync, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    transport, lost = engine._transport, "model.layers.0.mlp.gate_proj.weight"

    class Leaky:
        def send(self, llm, weights, version):
            transport.send(llm, (item for item in weights if item[0] != lost), version)

    monkeypatch.setattr(engine, "_transport", Leaky())
    with pytest.raises(GuardError, match=f"without new weights: {lost}"):
        sync.push(version=12)


def test_one_tensor_forgotten_by_the_trainer(sync: WeightSync, trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = "model.layers.1.self_attn.v_proj.weight"
    monkeypatch.setattr(sync, "_weights", lambda: (item for item in trainer.weights() if item[0] != lost))
    with pytest.raises(GuardError, match=rf"{lost}, model.layers.1.self_attn.qkv_proj \(received"):
        sync.push(version=13)


def test_a_nan_in_the_engine_is_beyond_every_tolerance(sync: WeightSync, engine, monkeypatch) -> None:
    monkeypatch.setattr(engine, "logprobs", lambda sequences: [[float("nan")] * (len(s) - 1) for s in sequences])
    with pytest.raises(GuardError, match="differ from the trainer's by nan"):
        sync.push(version=14)
