"""What the README shows is what works."""

import inspect
import re
from pathlib import Path

from grpo.pipeline.templates import check_templates
from grpo.recipe.graph import needs, order
from grpo.recipe.load import load_recipe
from grpo.stages.stage import Given
from rewards.load import load_reward

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return found


def test_the_recipe_loads_and_has_twelve_lines_or_so(tmp_path):
    text = block("yaml", "run_dir: runs/gsm8k")
    (tmp_path / "recipe.yaml").write_text(text)
    recipe = load_recipe(str(tmp_path / "recipe.yaml")).recipe
    assert recipe.model.path == "Qwen/Qwen2.5-0.5B-Instruct"
    assert [reward.use for reward in recipe.stages["zero"].rewards] == ["math", "format"]
    assert len(text.splitlines()) <= 12


def test_the_stages_need_each_other_as_it_says(tmp_path):
    (tmp_path / "recipe.yaml").write_text(block("yaml", "run_dir: runs/pipeline"))
    stages = load_recipe(str(tmp_path / "recipe.yaml")).recipe.stages
    assert order(stages) == ["zero", "traces", "student", "exam", "more"]
    assert {name: needs(stages, name).policy for name in ("traces", "exam", "more")} == {
        "traces": "zero", "exam": "student", "more": "student",
    }  # fmt: skip
    check_templates(stages, Given())


def test_the_reward_judges_and_has_eight_lines(tmp_path):
    text = block("python", "def short_and_right")
    (tmp_path / "short.py").write_text(text)
    reward = load_reward("short.py:short_and_right", {}, tmp_path)
    assert reward(completions=["so 42", "so 43", ""], solution=["42"] * 3) == [1 - 5 / 2000, 0.0, 0.0]
    assert len([line for line in text.splitlines() if not line.startswith("#")]) <= 8


def test_the_files_and_targets_it_names_exist():
    for name in ("examples/custom_reward.py", "examples/from_python.py", "constraints-cpu.txt", "CONTRIBUTING.md"):
        assert name in README and (ROOT / name).exists()
    makefile = (ROOT / "Makefile").read_text()
    for target in ("quickstart", "test", "test-all", "lint"):
        assert f"make {target}" in README and f"\n{target}: " in makefile
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_python_call_names_real_parameters():
    from grpo import GRPOConfig, GRPOTrainer

    call = block("python", "from grpo import")
    named = re.findall(r"^    (\w+)=", call, flags=re.MULTILINE)
    assert set(named) <= set(inspect.signature(GRPOTrainer).parameters)
    settings = re.findall(r"(\w+)=", re.search(r"GRPOConfig\((.*)\)", call).group(1))  # type: ignore[union-attr]
    assert settings and set(settings) <= set(GRPOConfig.model_fields)
