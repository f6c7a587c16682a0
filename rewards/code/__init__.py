"""The code reward: Python programs, run in a sandbox that never holds the expected outputs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewards.code.reward import CodeReward

__all__ = ["CodeReward"]


def __getattr__(name: str) -> Any:
    """On first use: the sandbox imports this package too, and must not hold the judge."""
    if name != "CodeReward":
        raise AttributeError(f"module 'rewards.code' has no attribute {name!r}")
    from rewards.code.reward import CodeReward

    return CodeReward
