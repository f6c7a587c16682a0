"""A run that refills its steps and thins its groups: what it samples and trains on, and that it resumes exactly."""

from pathlib import Path

import pytest

from grpo import GRPOConfig, GRPOTrainer
from grpo.report.completions import read
from grpo.report.record import METRICS
from tests.stages.conftest import stopped_at

STEPS, PROMPTS, GENERATIONS, TRAINED, ROUNDS = 4, 4, 6, 4, 3
ROWS = [{"prompt": f"{a}+{b}="} for a in range(5) for b in range(3)]


def short(completions: list[str], **columns: object) -> list[float]:
    """Says something about few groups: most completions of a random model are long."""
    return [float(len(text) < 5) for text in completions]


def train(folder: Path, model: Path) -> Path:
    config = GRPOConfig(
        run_dir=str(folder),
        steps=STEPS,
        prompts_per_step=PROMPTS,
        num_generations=GENERATIONS,
        train_generations=TRAINED,
        sampling_rounds=ROUNDS,
        max_completion_length=6,
        learning_rate=1e-3,
        dtype="float32",
        rollout={"engine": "transformers"},
        checkpoints={"save_every": 1},
    )
    GRPOTrainer(model=str(model), reward_funcs=[short], train_dataset=ROWS, config=config).train()
    return folder / "rl"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    return train(tmp_path_factory.mktemp("run"), model)


def files(stage: Path) -> dict[str, bytes]:
    found = [stage / METRICS, *sorted((stage / "rollouts").iterdir()), stage / "final" / "model.safetensors"]
    return {path.name: path.read_bytes() for path in found}


def test_a_step_samples_whole_rounds_and_trains_on_what_it_asked_for(undisturbed: Path) -> None:
    sampled, firsts = [], []
    for path in sorted((undisturbed / "rollouts").iterdir()):
        rows = read(path)
        groups = [rows[start : start + GENERATIONS] for start in range(0, len(rows), GENERATIONS)]
        with_signal = [group for group in groups if len({row["reward"] for row in group}) > 1]
        trained = [
            sum(row["advantage"] != 0 for row in group) for group in groups if any(r["advantage"] for r in group)
        ]
        rounds = len(rows) // (PROMPTS * GENERATIONS)
        assert len(rows) == rounds * PROMPTS * GENERATIONS
        assert rounds == ROUNDS or len(with_signal) >= PROMPTS
        assert len(trained) == min(PROMPTS, len(with_signal))
        assert all(2 <= count <= TRAINED for count in trained)
        sampled.append(rounds)
        firsts.append(groups[0][0]["prompt"])
    assert max(sampled) > 1, "the reward says too much: no step was refilled"
    assert len(set(firsts)) > 1


def test_stopped_in_the_middle_it_ends_with_the_same_bytes(
    undisturbed: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stopped_at(3, monkeypatch):
        train(tmp_path, model)
    assert files(train(tmp_path, model)) == files(undisturbed)
