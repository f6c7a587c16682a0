"""What a loss needs to know of a recipe."""

from dataclasses import dataclass
from typing import Literal

from grpo.algorithm.batch import Level
from grpo.recipe.rl_settings import RLSettings

LossType = Literal["grpo", "dr_grpo", "dapo", "bnpo", "cispo", "reinforce"]

CISPO_CAP = 5.0
"""Cap on CISPO's ratio where the recipe gives none. ScaleRL (arXiv 2510.13786) found results flat from 4 to 8."""


@dataclass(frozen=True, slots=True)
class LossSettings:
    """The recipe's names and meanings (grpo/recipe/rl_settings.py, which also refuses combinations without a meaning).

    epsilon_high: the ratio is clipped at 1 + epsilon_high (None: epsilon). With `cispo` it is, as in TRL, the largest
        ratio itself (None: 5.0): CISPO has no trust region that a distance from 1 would describe.
    delta: bound on the ratio where the advantage is negative (INTELLECT-2, arXiv 2505.07291 §3.4).
    """

    loss_type: LossType = "dapo"
    importance_sampling_level: Level = "token"
    epsilon: float = 0.2
    epsilon_high: float | None = None
    delta: float | None = None
    beta: float = 0.0
    kl_estimator: Literal["k3", "k3_unbiased"] = "k3"
    mismatch_mode: Literal["truncate", "mask", "off", "as_old"] = "truncate"
    mismatch_level: Level = "token"
    mismatch_cap: float = 2.0
    mismatch_floor: float = 0.0

    @property
    def lower(self) -> float:
        """Smallest unclipped ratio."""
        return 1.0 - self.epsilon

    @property
    def upper(self) -> float:
        """Largest unclipped ratio."""
        if self.loss_type == "cispo":
            return CISPO_CAP if self.epsilon_high is None else self.epsilon_high
        return 1.0 + (self.epsilon if self.epsilon_high is None else self.epsilon_high)

    @property
    def needs_whole_samples(self) -> bool:
        """True where a share of the loss can be computed only from all tokens of a completion."""
        mismatch = self.mismatch_mode in ("truncate", "mask") and self.mismatch_level == "sequence"
        return mismatch or self.importance_sampling_level == "sequence"

    @classmethod
    def from_recipe(cls, settings: RLSettings) -> "LossSettings":
        return cls(
            loss_type=settings.loss_type,
            importance_sampling_level=settings.importance_sampling_level,
            epsilon=settings.epsilon,
            epsilon_high=settings.epsilon_high,
            delta=settings.delta,
            beta=settings.beta,
            kl_estimator=settings.kl_estimator,
            mismatch_mode=settings.mismatch.mode,
            mismatch_level=settings.mismatch.level,
            mismatch_cap=settings.mismatch.cap,
            mismatch_floor=settings.mismatch.floor,
        )
