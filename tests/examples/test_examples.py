"""The examples run as they are told to, and what they train learns."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

from grpo.cli.train import main

EXAMPLES = Path(__file__).parents[2] / "examples"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def rewards_of(folder: Path) -> list[float]:
    return [json.loads(line)["reward"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_rewards_of_the_example():
    example = module("custom_reward")
    assert example.digits(completions=["12ab", "", "77"]) == [0.5, 0.0, 1.0]
    references = ["42", "42", "x", "42", "42"]
    texts = ["so 42", "so 52", "so 42", "so many", ""]
    assert example.near(completions=texts, solution=references) == [1.0, 0.5, None, 0.0, 0.0]
    assert example.near(completions=["62"], solution=["42"], scale=20.0) == [0.5]


def test_custom_reward_by_file_from_another_folder(tmp_path, monkeypatch):
    for name in ("custom_reward.py", "custom_reward.yaml"):
        shutil.copy(EXAMPLES / name, tmp_path / name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    recipe, run_dir = str(tmp_path / "custom_reward.yaml"), tmp_path / "run"
    assert main([recipe, f"run_dir={run_dir}", "stages.zero.rollout.engine=transformers"]) == 0
    rewards = rewards_of(run_dir / "zero")
    assert len(rewards) == 12
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.2, rewards


def test_from_python(tmp_path):
    policy = module("from_python").main(str(tmp_path / "run"), engine="transformers")
    rewards = rewards_of(tmp_path / "run" / "rl")
    assert len(rewards) == 30
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.1, rewards
    assert (policy / "config.json").exists() and (policy / "model.safetensors").exists()
