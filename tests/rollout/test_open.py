"""Choosing an engine, and what is refused before anything is loaded."""

import json
from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.recipe.fields import Model, Rollout
from grpo.rollout import open as door
from grpo.rollout.vllm_start import Placement, engine_arguments, gpu_name, read_config, refuse_unsyncable

CPU, GPU, GPU_APART = Placement(False, False), Placement(False, True), Placement(True, True)


@pytest.fixture
def without_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "find_spec", lambda name: None)


def arguments(rollout: Rollout, placement: Placement = CPU) -> dict:
    return engine_arguments(rollout, placement, model=Model(path="x"), max_model_len=100, seed=2**40 + 7)


def test_auto_takes_what_is_installed(without_vllm: None) -> None:
    assert door.choose_engine(Rollout()) == "transformers"


def test_auto_prefers_vllm() -> None:
    pytest.importorskip("vllm")
    assert door.choose_engine(Rollout()) == "vllm"


def test_vllm_asked_for_and_absent(without_vllm: None) -> None:
    with pytest.raises(UserError, match="rollout.engine: vLLM is not installed"):
        door.choose_engine(Rollout(engine="vllm"))


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"placement": "own_process"}, "rollout.placement"),
        ({"engine_args": {"enforce_eager": True}}, "rollout.engine_args"),
    ],
)
def test_transformers_refuses_what_it_lacks(settings: dict, place: str) -> None:
    with pytest.raises(UserError, match=place):
        door.choose_engine(Rollout(engine="transformers", **settings))


def test_several_trainers_need_engines_of_their_own() -> None:
    pytest.importorskip("vllm")
    with pytest.raises(UserError, match="placement: own_process"):
        door.open_engine(
            Rollout(engine="vllm", placement="in_process"),
            model=Model(path="x"),
            folder="x",
            tokenizer=None,  # type: ignore[arg-type]
            eos_ids=frozenset({1}),
            max_model_len=8,
            seed=0,
            world_size=2,
        )


def test_engine_arguments_pass_through_but_not_over_ours() -> None:
    assert arguments(Rollout(engine_args={"block_size": 32}))["block_size"] == 32
    with pytest.raises(UserError, match="rollout.engine_args: logprobs_mode, seed is set by the library"):
        arguments(Rollout(engine_args={"seed": 1, "logprobs_mode": "raw_logprobs"}))


def test_arguments_on_cpu_and_gpu() -> None:
    on_cpu, on_gpu = arguments(Rollout(kv_cache_gib=0.5)), arguments(Rollout(), GPU)
    assert on_cpu["kv_cache_memory_bytes"] == 2**29
    assert (on_cpu["enable_chunked_prefill"], on_cpu["max_num_batched_tokens"]) == (False, 8192)
    assert on_cpu["seed"] == on_gpu["seed"] == 2**40 % 2**32 + 7
    assert (on_gpu["gpu_memory_utilization"], on_gpu["enable_sleep_mode"]) == (0.45, True)
    assert "enable_chunked_prefill" not in on_gpu
    assert on_gpu["weight_transfer_config"] == {"backend": "policy"}
    assert arguments(Rollout(), GPU_APART)["weight_transfer_config"] == {"backend": "policy_ipc"}


def test_latent_attention_on_cpu_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "deepseek_v3", "kv_lora_rank": 512}))
    config = read_config(str(tmp_path), Model(path=str(tmp_path)))
    refuse_unsyncable(config, str(tmp_path), GPU)
    with pytest.raises(UserError, match="deepseek_v3 has multi-head latent attention"):
        refuse_unsyncable(config, str(tmp_path), CPU)


@pytest.mark.parametrize(
    ("visible", "index", "name"), [(None, 3, "3"), ("", 1, "1"), ("4,5", 1, "5"), ("GPU-a, GPU-b", 1, "GPU-b")]
)
def test_a_rank_shows_its_engine_the_gpu_it_is_on(visible: str | None, index: int, name: str) -> None:
    assert gpu_name(visible, index) == name
