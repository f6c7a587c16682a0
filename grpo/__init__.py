"""Group Relative Policy Optimization: from one recipe file to a trained policy.

`grpo-train recipe.yaml` runs a recipe; `GRPOTrainer` is the same run from Python. Both are imported on first use, so
that `import grpo` costs milliseconds: torch, transformers and vLLM load when a stage starts.
"""

from typing import TYPE_CHECKING

from grpo import own_rewards

own_rewards.pin()

if TYPE_CHECKING:
    from grpo.trainer import GRPOConfig, GRPOTrainer

__version__ = "0.1.0"
__all__ = ["GRPOConfig", "GRPOTrainer", "__version__"]


def __getattr__(name: str):
    if name in ("GRPOTrainer", "GRPOConfig"):
        from grpo import trainer

        return getattr(trainer, name)
    raise AttributeError(f"module 'grpo' has no attribute {name!r}")
