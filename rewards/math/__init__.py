"""Is the final answer right? See `reward` for what counts as the answer and when two answers are equal."""

from rewards.math.reward import MathReward

__all__ = ["MathReward"]
