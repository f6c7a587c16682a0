"""Rewards by name, import path and file."""

import importlib
import sys
from pathlib import Path

import pytest

from rewards import FormatReward, MathReward
from rewards.errors import RewardError
from rewards.load import SHIPPED, is_row_reward, load_reward


def test_shipped() -> None:
    math = load_reward("math", {"require_anchor": True}, Path("."))
    assert isinstance(math, MathReward) and math.require_anchor and is_row_reward(math)
    assert isinstance(load_reward("format", {}, Path(".")), FormatReward)


def test_every_shipped_name_is_found() -> None:
    for name, place in SHIPPED.items():
        module, _, attribute = place.partition(":")
        assert hasattr(importlib.import_module(module), attribute), name


def test_a_users_reward_may_have_any_parameter_but_is_not_given_our_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def f(completions, base_folder=7):\n    return [base_folder] * len(completions)\n"
    )
    assert load_reward("mine.py:f", {}, tmp_path)(completions=["a"]) == [7]


def test_two_files_named_rewards(tmp_path: Path) -> None:
    for folder, value in (("a", 1.0), ("b", 2.0)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rewards.py").write_text(
            f"def fixed(completions, scale=1, **columns):\n    return [{value} * scale] * len(completions)\n"
        )
    first = load_reward("rewards.py:fixed", {}, tmp_path / "a")
    second = load_reward("rewards.py:fixed", {"scale": 3}, tmp_path / "b")
    assert first(completions=["x"]) == [1.0]  # type: ignore[operator]
    assert second(completions=["x"]) == [6.0]  # type: ignore[operator]
    assert not is_row_reward(first)
    assert sys.modules["rewards"].__file__ == str(Path(__file__).parents[2] / "rewards" / "__init__.py")


@pytest.mark.parametrize(
    ("use", "params", "said"),
    [
        ("maths", {}, "did you mean 'math'"),
        ("math", {"require_ancor": True}, "do not fit"),
        ("nowhere.py:f", {}, "no file"),
        ("mine.py:lenght", {}, "length"),
        ("mine.py:length", {"scale": 2}, "do not fit"),
        ("no_such_module_here:f", {}, "no module 'no_such_module_here'"),
    ],
)
def test_mistakes(tmp_path: Path, use: str, params: dict[str, object], said: str) -> None:
    (tmp_path / "mine.py").write_text("def length(completions):\n    return [float(len(c)) for c in completions]\n")
    with pytest.raises(RewardError, match=said):
        load_reward(use, params, tmp_path)
