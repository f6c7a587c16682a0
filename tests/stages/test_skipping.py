"""A run that skips prompts whose groups had no signal: what it passes over, and that it resumes exactly."""

import json
from collections import Counter
from pathlib import Path

import pytest

from grpo import GRPOConfig, GRPOTrainer
from grpo.report.completions import read
from grpo.report.record import METRICS
from tests.stages.conftest import stopped_at

STEPS, PROMPTS = 10, 4
ROWS = [{"prompt": f"{a}+{b}="} for a in range(4) for b in range(2)]


def lively(completions: list[str], prompts: list[str], **columns: object) -> list[float]:
    """Says something of the prompts that begin with 0, and nothing of the others."""
    scored = zip(completions, prompts, strict=True)
    return [float(len(text) + index % 2) if prompt[0] == "0" else 0.0 for index, (text, prompt) in enumerate(scored)]


def train(folder: Path, model: Path) -> Path:
    config = GRPOConfig(
        run_dir=str(folder), steps=STEPS, prompts_per_step=PROMPTS, num_generations=4, max_completion_length=4,
        learning_rate=1e-4, dtype="float32", rollout={"engine": "transformers"}, checkpoints={"save_every": 2},
        skip_flat={"explore": 0.3},
    )  # fmt: skip
    GRPOTrainer(model=str(model), reward_funcs=[lively], train_dataset=ROWS, config=config).train()
    return folder / "rl"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    return train(tmp_path_factory.mktemp("run"), model)


def taken(stage: Path) -> list[list[str]]:
    files = sorted((stage / "rollouts").iterdir())
    return [list(dict.fromkeys(row["prompt"] for row in read(path))) for path in files]


def test_flat_prompts_come_less_often_and_every_step_is_full(undisturbed: Path) -> None:
    steps = taken(undisturbed)
    assert [len(prompts) for prompts in steps] == [PROMPTS] * STEPS
    counts = Counter(prompt for prompts in steps for prompt in prompts)
    lively_ones = sum(count for prompt, count in counts.items() if prompt[0] == "0")
    assert lively_ones > 1.3 * STEPS * PROMPTS * 2 / 8  # two prompts of eight
    metrics = [json.loads(line) for line in (undisturbed / METRICS).read_text().splitlines()]
    assert metrics[0]["skip/prompts"] == 0 and sum(entry["skip/prompts"] for entry in metrics) > 5
    assert metrics[-1]["skip/explore_unsolved"] < 0.3


@pytest.mark.parametrize("dies_at", [4, 7])
def test_stopped_anywhere_it_ends_with_the_same_bytes(
    undisturbed: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    with stopped_at(dies_at, monkeypatch):
        train(tmp_path, model)
    stage = train(tmp_path, model)
    for name in (METRICS, "final/model.safetensors"):
        assert (stage / name).read_bytes() == (undisturbed / name).read_bytes(), name
