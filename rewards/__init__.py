"""Rule-based rewards: completion in, verdict out. Usable by any trainer: imports neither torch, transformers nor grpo.

    from rewards import MathReward
    MathReward()(completions=[r"so \\boxed{\\frac12}"], solution=["0.5"])   # [1.0], TRL's convention
    MathReward().judge(completions=["so 7"], solution=["8"])[0].detail       # why

`MathReward` and `FormatReward` judge one completion alone; `rewards.pool.Pool` judges many in worker processes with
deadlines; `rewards.load.load_reward` finds a reward by name, import path or file.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewards.format import FormatReward
    from rewards.math import MathReward
    from rewards.protocol import RowReward
    from rewards.verdict import UNJUDGED, Verdict, scored

__all__ = ["UNJUDGED", "FormatReward", "MathReward", "RowReward", "Verdict", "scored"]

_HOMES = {"FormatReward": "format", "MathReward": "math", "RowReward": "protocol"}


def __getattr__(name: str) -> Any:
    """Each name on first use, so that importing the package costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'rewards' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"rewards.{_HOMES.get(name, 'verdict')}"), name)
