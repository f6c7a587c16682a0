"""Whether a completion is right, for rewards that treat right and wrong ones differently (`length`, `repetition`).

    correct: math                                             another reward, by name
    correct: {use: math, params: {require_anchor: true}}      with parameters
    correct: {use: mine.py:check, at: 0.5}                    right from a score of 0.5 on

The other reward judges first, within the same deadline. What it could not judge, the outer reward cannot judge either:
its verdict is passed on, status and reason.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewards.errors import RewardError
from rewards.load import load_reward
from rewards.protocol import RowReward
from rewards.verdict import Verdict

_KEYS = {"use", "params", "at"}


class Correctness:
    """A row reward seen as right or wrong.

    spec: a reward's name, or `{use, params, at}`; `at` is the lowest score that counts as right. A ready-made row
        reward serves as well. owner: the reward that asks, for messages. base_folder: what files are relative to.
    """

    def __init__(self, spec: str | Mapping[str, Any] | RowReward, owner: str, base_folder: Path) -> None:
        if isinstance(spec, RowReward):
            self.reward, self.at = spec, 1.0
            return
        fields: dict[str, Any] = {"use": spec} if isinstance(spec, str) else dict(spec)
        if "use" not in fields or set(fields) - _KEYS:
            raise RewardError(f"{owner}: `correct` is a reward's name or {{use, params, at}}, got {spec!r}")
        reward = load_reward(fields["use"], fields.get("params") or {}, base_folder)
        if not isinstance(reward, RowReward):
            raise RewardError(
                f"{owner}: `correct` needs a reward that judges one completion alone (math, code, choice, countdown or "
                f"your own RowReward); {fields['use']} is none"
            )
        self.reward, self.at = reward, float(fields.get("at", 1.0))

    def judge(self, completion: str, row: Mapping[str, Any]) -> bool | Verdict:
        """Right or wrong; or a verdict without a score, where the other reward gave none."""
        verdict = self.reward.judge_one(completion, row)
        if verdict.score is not None:
            return verdict.score >= self.at
        return Verdict(verdict.status, detail=f"by {self.reward.name}, whether it is right: {verdict.detail}")


def read_correct(
    spec: str | Mapping[str, Any] | RowReward | None, owner: str, base_folder: Path, why: str
) -> Correctness:
    """The `correct` of a reward that cannot do without. `why`: what it needs it for."""
    if spec is None:
        raise RewardError(f"{owner}: {why}: say how to tell, for example `correct: math`")
    return Correctness(spec, owner, base_folder)
