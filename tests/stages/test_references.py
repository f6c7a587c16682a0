"""A run whose reference is refreshed and whose length changes: what acts when, and that it resumes exactly."""

import json
from pathlib import Path

import pytest

from grpo import GRPOConfig, GRPOTrainer
from grpo.report.completions import read
from grpo.report.record import METRICS
from tests.stages.conftest import stopped_at

ROWS = [{"prompt": f"{a}+{b}="} for a in range(4) for b in range(4)]


def short(completions: list[str], **columns: object) -> list[float]:
    return [-float(len(text)) for text in completions]


def train(folder: Path, model: Path, **settings) -> Path:
    config = GRPOConfig(
        run_dir=str(folder), steps=6, prompts_per_step=4, num_generations=4, updates_per_step=2, beta=0.1,
        max_completion_length=4, learning_rate=1e-2, dtype="float32", rollout={"engine": "transformers"},
        checkpoints={"save_every": 3, "keep_last": 1}, refresh_reference_every=4,
        changes=[{"at_update": 8, "max_completion_length": 8}], **settings,
    )  # fmt: skip
    GRPOTrainer(model=str(model), reward_funcs=[short], train_dataset=ROWS, config=config).train()
    return folder / "rl"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    return train(tmp_path_factory.mktemp("run"), model)


def kl(stage: Path) -> list[float]:
    return [json.loads(line)["kl"] for line in (stage / METRICS).read_text().splitlines()]


def test_the_kl_starts_from_nothing_after_each_refresh(undisturbed: Path) -> None:
    """Two updates a step, a refresh every four: steps 1, 3 and 5 begin with the reference as their policy, and half of
    their figure is the first update's, which is 0."""
    values = kl(undisturbed)
    assert values[0] < values[1] and values[2] < values[1] and values[4] < values[3]
    assert {path.name for path in (undisturbed / "references").iterdir()} == {"step_000004"}


def test_the_length_changes_before_step_5(undisturbed: Path) -> None:
    longest = [
        max(row["completion_tokens"] for row in read(path)) for path in sorted((undisturbed / "rollouts").iterdir())
    ]
    assert longest[:4] == [4] * 4
    assert max(longest[4:]) > 4


@pytest.mark.parametrize("dies_at", [3, 4, 6])
def test_stopped_anywhere_it_ends_with_the_same_bytes(
    undisturbed: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    with stopped_at(dies_at, monkeypatch):
        train(tmp_path, model)
    stage = train(tmp_path, model)
    for name in (METRICS, "final/model.safetensors"):
        assert (stage / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_stopped_between_its_last_checkpoint_and_its_end_it_ends(
    undisturbed: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("grpo.stages.rl_rooms.write_folder", dies)
        train(tmp_path, model)
    assert not (tmp_path / "rl" / "final").exists()
    stage = train(tmp_path, model)
    for name in (METRICS, "final/model.safetensors"):
        assert (stage / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_adapters_have_a_frozen_copy_once_the_reference_is_another_policy(model: Path, tmp_path: Path) -> None:
    from peft import LoraConfig

    config = GRPOConfig(
        run_dir=str(tmp_path), steps=4, prompts_per_step=4, num_generations=4, updates_per_step=2, beta=0.1,
        max_completion_length=4, learning_rate=1e-1, dtype="float32", rollout={"engine": "transformers"},
        refresh_reference_every=4,
    )  # fmt: skip
    peft = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear")
    GRPOTrainer(model=str(model), reward_funcs=[short], train_dataset=ROWS, config=config, peft_config=peft).train()
    values = kl(tmp_path / "rl")
    assert values[2] < values[1]
