"""Repetition penalty: the share of n-grams that came before ("Demystifying Long CoT", arXiv 2502.03373, app. C.2).

    max_penalty · (1 - distinct n-grams / all n-grams)

    ngram_size 2, max_penalty -1:    tokens 5 5 5 5 5   4 pairs, 1 distinct → -0.75
                                     tokens 1 2 3 4     3 pairs, 3 distinct →  0.0

Over token ids, as the paper's code also does, and not over words: so it needs no idea of what a word is, and works in
Chinese as in English. A completion shorter than one n-gram repeats nothing: 0.0. The paper applies it where the answer
is wrong: give `correct`; without it, all completions are judged.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewards.correctness import Correctness
from rewards.errors import RewardError
from rewards.protocol import RowReward
from rewards.tokens import NO_TOKENS, token_ids
from rewards.verdict import Verdict, scored


class RepetitionReward(RowReward):
    """From `max_penalty` (all the same) to 0.0 (nothing twice).

    ngram_size: tokens in a row. The paper uses 40, which finds copied sentences and forgives formulas; small sizes
        also punish ordinary phrases.
    max_penalty: ≤ 0. correct: the reward that tells right from wrong (see `rewards.correctness`); right ones get 0.0.
    """

    name = "repetition"

    def __init__(
        self,
        ngram_size: int = 40,
        max_penalty: float = -1.0,
        correct: str | Mapping[str, Any] | RowReward | None = None,
        base_folder: Path = Path("."),
    ) -> None:
        if ngram_size < 1:
            raise RewardError(f"repetition: ngram_size is a number of tokens ≥ 1, got {ngram_size}")
        if max_penalty > 0:
            raise RewardError(f"repetition: max_penalty is ≤ 0 (it would pay for repeating), got {max_penalty}")
        self.ngram_size, self.max_penalty = ngram_size, max_penalty
        self.correct = None if correct is None else Correctness(correct, "repetition", base_folder)

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        return None if self.correct is None else self.correct.reward.check_reference(row)

    def warm_up(self) -> None:
        if self.correct is not None:
            self.correct.reward.warm_up()

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        ids = token_ids(row)
        if ids is None:
            return NO_TOKENS
        if self.correct is not None:
            correct = self.correct.judge(completion, row)
            if isinstance(correct, Verdict):
                return correct
            if correct:
                return scored(0.0, "right, so repetition is not looked at")
        total = len(ids) - self.ngram_size + 1
        if total < 1:
            return scored(0.0, f"{len(ids)} tokens are fewer than one {self.ngram_size}-gram")
        distinct = len({tuple(ids[start : start + self.ngram_size]) for start in range(total)})
        # Without a repetition the product would be -0.0.
        score = self.max_penalty * (1 - distinct / total) if distinct < total else 0.0
        return scored(score, f"{distinct} distinct of {total} {self.ngram_size}-grams")
