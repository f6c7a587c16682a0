"""Rewards of length, in tokens of the completion (`completion_ids`, end-of-sequence token included).

    length(form: soft_overlong, max_length: 100, cache: 20)     80 tokens → 0.0, 90 → -0.5, 100 → -1.0, 120 → -1.0
    length(form: cosine, max_length: 100, correct: math)        right: 1.0 at 0 tokens falling to 0.5 at 100
                                                                wrong: -1.0 at 0 tokens rising to -0.5 at 100
    length(form: group_relative, correct: math)                 lengths 10, 20, 30, all right → 0.5, 0.0, -0.5

`soft_overlong` is added to a reward for being right and speaks of length alone. The other two depend on whether the
completion is right; `correct` names the reward that tells (see `rewards.correctness`).
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rewards.correctness import read_correct
from rewards.errors import RewardError
from rewards.protocol import GroupReward, Judging, RowReward
from rewards.tokens import NO_TOKENS, token_ids
from rewards.verdict import Verdict, scored


class SoftOverlong(RowReward):
    """DAPO's soft overlong punishment (arXiv 2503.14476, Eq. 13), with L tokens:

        0                                        L ≤ max_length - cache
        ((max_length - cache) - L) / cache       up to max_length
        -1                                       beyond

    The paper: max_length 20480, cache 4096. `cache: 0` punishes only what is longer than max_length.
    """

    name = "length"

    def __init__(self, max_length: int, cache: int) -> None:
        if not 0 <= cache <= max_length or max_length < 1:
            raise RewardError(f"length: 0 ≤ cache ≤ max_length in tokens, got cache {cache}, max_length {max_length}")
        self.max_length, self.cache = max_length, cache

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        ids = token_ids(row)
        if ids is None:
            return NO_TOKENS
        free, length = self.max_length - self.cache, len(ids)
        score = 0.0 if length <= free else -1.0 if length > self.max_length else (free - length) / self.cache
        return scored(score, f"{length} tokens; free up to {free}, -1 from {self.max_length}")


class Cosine(RowReward):
    """Cosine length reward of "Demystifying Long Chain-of-Thought Reasoning" (arXiv 2502.03373, appendix C.1):

        low + ½ (high - low) (1 + cos(π L / max_length))

    right: falls from high = max_value_correct at L = 0 to low = min_value_correct at max_length (be brief);
    wrong: rises from high = min_value_wrong to low = max_value_wrong (think longer before being wrong).
    From L + margin ≥ max_length on: `exceed_length`, right or wrong. So L / max_length never passes 1, where the
    cosine would turn. The paper's code has margin 16 and, in its main runs, the values 1 to 2 for right, -10 to 0 for
    wrong and -10 beyond; the defaults here stay within ±1.
    """

    name = "length"

    def __init__(
        self,
        max_length: int,
        correct: str | Mapping[str, Any] | RowReward | None = None,
        min_value_correct: float = 0.5,
        max_value_correct: float = 1.0,
        min_value_wrong: float = -1.0,
        max_value_wrong: float = -0.5,
        exceed_length: float = -1.0,
        margin: int = 0,
        base_folder: Path = Path("."),
    ) -> None:
        if max_length < 1 or not 0 <= margin < max_length:
            raise RewardError(f"length: max_length ≥ 1 and 0 ≤ margin < max_length, got {max_length} and {margin}")
        if min_value_correct > max_value_correct or min_value_wrong > max_value_wrong:
            raise RewardError("length: a min_value is above its max_value")
        self.correct = read_correct(
            correct, "length", base_folder, "the cosine differs for right and wrong completions"
        )
        self.right, self.wrong = (min_value_correct, max_value_correct), (max_value_wrong, min_value_wrong)
        self.max_length, self.exceed_length, self.margin = max_length, exceed_length, margin

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        return self.correct.reward.check_reference(row)

    def warm_up(self) -> None:
        self.correct.reward.warm_up()

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        ids = token_ids(row)
        if ids is None:
            return NO_TOKENS
        length = len(ids)
        if length + self.margin >= self.max_length:
            return scored(self.exceed_length, f"{length} tokens reach max_length {self.max_length}")
        correct = self.correct.judge(completion, row)
        if isinstance(correct, Verdict):
            return correct
        low, high = self.right if correct else self.wrong
        score = low + 0.5 * (high - low) * (1 + math.cos(math.pi * length / self.max_length))
        return scored(score, f"{'right' if correct else 'wrong'}, {length} of {self.max_length} tokens")


class GroupRelative(GroupReward):
    """Kimi k1.5's length reward (arXiv 2501.12599, §2.3.3), with L tokens and the extremes of the group:

        λ = 0.5 - (L - shortest) / (longest - shortest);    right: λ;    wrong: min(0, λ)

    0 where all are of one length. Short right answers gain, long ones lose, and a wrong one is never paid for being
    short. The paper adds it to the reward for being right, with a weight, after training without it at first.
    """

    name = "length"

    def __init__(
        self, correct: str | Mapping[str, Any] | RowReward | None = None, base_folder: Path = Path(".")
    ) -> None:
        self.correct = read_correct(correct, "length", base_folder, "a wrong completion is not paid for being short")

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        return self.correct.reward.check_reference(row)

    def warm_up(self) -> None:
        self.correct.reward.warm_up()

    def judge_group(self, completions: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        counted = [len(ids) for row in rows if (ids := token_ids(row)) is not None]
        shortest, longest = min(counted, default=0), max(counted, default=0)
        return [self._judge(c, row, shortest, longest) for c, row in zip(completions, rows, strict=True)]

    def _judge(self, completion: str, row: Mapping[str, Any], shortest: int, longest: int) -> Verdict:
        ids = token_ids(row)
        if ids is None:
            return NO_TOKENS
        correct = self.correct.judge(completion, row)
        if isinstance(correct, Verdict):
            return correct
        gain = 0.5 - (len(ids) - shortest) / (longest - shortest) if longest > shortest else 0.0
        said = f"{'right' if correct else 'wrong'}, {len(ids)} tokens; the group has {shortest} to {longest}"
        return scored(gain if correct else min(0.0, gain), said)


FORMS: Mapping[str, Callable[..., Judging]] = {
    "soft_overlong": SoftOverlong,
    "cosine": Cosine,
    "group_relative": GroupRelative,
}


def length(
    form: str,
    max_length: int | None = None,
    cache: int | None = None,
    correct: str | Mapping[str, Any] | RowReward | None = None,
    min_value_correct: float | None = None,
    max_value_correct: float | None = None,
    min_value_wrong: float | None = None,
    max_value_wrong: float | None = None,
    exceed_length: float | None = None,
    margin: int | None = None,
    base_folder: Path = Path("."),
) -> Judging:
    """The length reward of a form: `soft_overlong` (SoftOverlong), `cosine` (Cosine) or `group_relative`
    (GroupRelative), whose parameters these are. Raises RewardError for one that the form lacks or does not have."""
    given = {
        name: value for name, value in locals().items() if name not in ("form", "base_folder") and value is not None
    }
    if form not in FORMS:
        raise RewardError(f"length: no form {form!r}; there are {', '.join(FORMS)}")
    signature = inspect.signature(FORMS[form])
    if "base_folder" in signature.parameters:
        given["base_folder"] = base_folder
    try:
        signature.bind(**given)
    except TypeError as error:
        known = ", ".join(name for name in signature.parameters if name != "base_folder")
        raise RewardError(f"length, form {form}: {error}; its parameters are {known}") from error
    return FORMS[form](**given)
