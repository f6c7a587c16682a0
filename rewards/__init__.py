"""Rule-based rewards: completion in, verdict out. Usable by any trainer: imports neither torch, transformers nor grpo.

    from rewards import MathReward
    MathReward()(completions=[r"so \\boxed{\\frac12}"], solution=["0.5"])   # [1.0], TRL's convention
    MathReward().judge(completions=["so 7"], solution=["8"])[0].detail       # why

`RowReward`s judge one completion alone, `GroupReward`s the completions of one prompt together; `rewards.pool.Pool`
judges many in worker processes with deadlines; `rewards.load.load_reward` finds a reward by name, import path or file;
`grpo-score` scores a file of completions.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewards.choice import ChoiceReward
    from rewards.code import CodeReward
    from rewards.countdown import CountdownReward
    from rewards.format import FormatReward
    from rewards.language import LanguageReward
    from rewards.math import MathReward
    from rewards.protocol import GroupReward, RowReward
    from rewards.reasoning_gym import ReasoningGymReward
    from rewards.repetition import RepetitionReward
    from rewards.verdict import UNJUDGED, Verdict, scored

_HOMES = {
    "ChoiceReward": "choice",
    "CodeReward": "code",
    "CountdownReward": "countdown",
    "FormatReward": "format",
    "GroupReward": "protocol",
    "LanguageReward": "language",
    "MathReward": "math",
    "ReasoningGymReward": "reasoning_gym",
    "RepetitionReward": "repetition",
    "RowReward": "protocol",
}

__all__ = [
    "UNJUDGED",
    "ChoiceReward",
    "CodeReward",
    "CountdownReward",
    "FormatReward",
    "GroupReward",
    "LanguageReward",
    "MathReward",
    "ReasoningGymReward",
    "RepetitionReward",
    "RowReward",
    "Verdict",
    "scored",
]


def __getattr__(name: str) -> Any:
    """Each name on first use, so that importing the package costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'rewards' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"rewards.{_HOMES.get(name, 'verdict')}"), name)
