"""Rewards keep TRL's convention: its own run unchanged in our trainer, and ours run unchanged in its GRPOTrainer."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from grpo import GRPOConfig, GRPOTrainer
from grpo.models.tiny import make_tiny
from grpo.recipe.fields import TinyModel
from rewards import FormatReward, LanguageReward, MathReward, RepetitionReward
from rewards.length import length

pytestmark = pytest.mark.slow
ROWS = [{"prompt": f"{a}+{b}=", "solution": str(a + b), "level": a} for a in range(4) for b in range(4)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trl_rewards") / "tiny"
    make_tiny(TinyModel(layers=1, hidden_size=64, heads=1, kv_heads=1, intermediate_size=64), folder, seed=0)
    return folder


def test_ours_in_trls_trainer(model: Path, tmp_path: Path) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig as TheirConfig
    from trl import GRPOTrainer as TheirTrainer

    groups: list[int] = []

    def watch(completions: list[str], prompts: list[str], **columns: Any) -> list[float]:
        groups.append(len(set(prompts)))
        return [0.0] * len(completions)

    kimi, overlong = length("group_relative", correct="math"), length("soft_overlong", max_length=12, cache=8)
    kimi.name, overlong.name = "kimi", "overlong"
    ours = [MathReward(), FormatReward(), LanguageReward(), RepetitionReward(ngram_size=1), kimi, overlong]
    config = TheirConfig(
        output_dir=str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=12,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
    )
    trainer = TheirTrainer(
        model=str(model),
        reward_funcs=[*ours, watch],
        args=config,
        train_dataset=Dataset.from_list(ROWS),
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.train()
    steps = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert len(steps) == 2 and groups == [2, 2]
    for step in steps:
        means = {reward.name: step[f"rewards/{reward.name}/mean"] for reward in ours}
        assert all(math.isfinite(mean) for mean in means.values())
        assert -1 <= means["overlong"] <= 0 and -1 < means["repetition"] < 0 and -0.5 <= means["kimi"] <= 0.5
        assert step["reward"] == pytest.approx(sum(means.values()), abs=1e-4)


def their_rewards() -> list[Any]:
    from trl import rewards

    functions = [
        rewards.think_format_reward,
        rewards.get_soft_overlong_punishment(max_completion_len=12, soft_punish_cache=8),
        rewards.get_repetition_penalty_reward(ngram_size=1, max_penalty=-1.0),
    ]
    try:
        import math_verify  # noqa: F401
    except ModuleNotFoundError:
        return functions
    return [
        *functions,
        rewards.accuracy_reward,
        rewards.reasoning_accuracy_reward,
        rewards.get_cosine_scaled_reward(max_len=12),
    ]


def test_theirs_in_our_trainer(model: Path, tmp_path: Path) -> None:
    functions = their_rewards()
    rows = [{**row, "prompt": [{"role": "user", "content": row["prompt"]}]} for row in ROWS]
    config = GRPOConfig(
        run_dir=str(tmp_path / "run"),
        steps=2,
        prompts_per_step=2,
        num_generations=4,
        max_completion_length=12,
        dtype="float32",
        rollout={"engine": "transformers"},
    )
    GRPOTrainer(model=str(model), reward_funcs=functions, train_dataset=rows, config=config).train()
    lines = (tmp_path / "run" / "rl" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 2
    for step in map(json.loads, lines):
        for function in functions:
            assert step[f"rewards/{function.__name__}/error"] == 0.0, function
        assert -1 <= step["rewards/soft_overlong_punishment_reward/mean"] <= 0
        assert -1 < step["rewards/repetition_penalty_reward/mean"] < 0


def test_the_cosine_is_theirs_where_both_speak() -> None:
    pytest.importorskip("math_verify")
    from trl.rewards import get_cosine_scaled_reward

    ids = [list(range(tokens)) for tokens in range(0, 100, 9)]
    for answer, solution in ((r"so \boxed{4}", "$4$"), (r"so \boxed{5}", "$4$")):
        messages = [[{"role": "assistant", "content": answer}]] * len(ids)
        batch = {"completions": messages, "completion_ids": ids, "solution": [solution] * len(ids)}
        theirs = get_cosine_scaled_reward(max_len=100)(**batch)
        assert length("cosine", max_length=100, correct="math")(**batch) == pytest.approx(theirs)
