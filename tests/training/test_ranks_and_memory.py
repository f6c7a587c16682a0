"""What is refused before a run is under way: sharded policies, and batches that do not fit."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedType

from grpo.errors import UserError
from grpo.training import update
from grpo.training.ranks import Ranks
from grpo.training.update import Updater
from tests.training.cases import make_samples

Make = Callable[..., Updater]


@pytest.mark.parametrize("kind", [DistributedType.FSDP, DistributedType.DEEPSPEED])
def test_sharding_is_refused_by_name(kind: DistributedType) -> None:
    with pytest.raises(UserError, match=f"{kind.value}.*\n.*without FSDP or DeepSpeed"):
        Ranks(SimpleNamespace(distributed_type=kind, num_processes=2, process_index=0))  # type: ignore[arg-type]


def test_replicated_policies_are_taken() -> None:
    ranks = Ranks(SimpleNamespace(distributed_type=DistributedType.MULTI_CPU, num_processes=2, process_index=1))  # type: ignore[arg-type]
    assert (ranks.count, ranks.index) == (2, 1)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_a_batch_that_does_not_fit_comes_with_advice(
    updater: Make, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    trainer = updater(tokens_per_microbatch=120)
    monkeypatch.setattr(update, "backward", refuse)
    with pytest.raises(UserError) as caught:
        trainer.probe_memory(10, 20)
    text = str(caught.value)
    assert "5 × 30 tokens" in text
    assert all(word in text for word in ("tokens_per_microbatch to 60", "gradient_checkpointing", "lora"))


def test_other_errors_of_the_probe_are_not_mistaken_for_memory(updater: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("shapes do not match")

    trainer = updater()
    monkeypatch.setattr(update, "backward", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        trainer.probe_memory(10, 20)


def test_a_run_with_the_probe_equals_one_without(updater: Make, tmp_path: Path) -> None:
    digests = []
    for probed in (False, True):
        trainer = updater(dtype="bfloat16")
        if probed:
            trainer.probe_memory(9, 20)
        trainer.round(make_samples(8), 20)
        trainer.save(tmp_path)
        digests.append(sha256((tmp_path / "training.safetensors").read_bytes()).hexdigest())
    assert digests[0] == digests[1]
