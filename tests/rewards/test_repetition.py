"""Repetition penalty, against numbers worked by hand."""

import pytest

from rewards import RepetitionReward
from rewards.errors import RewardError


def score(reward: RepetitionReward, *ids: int, completion: str = "") -> float | None:
    return reward.judge_one(completion, {"completion_ids": ids, "solution": "4"}).score


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ((5, 5, 5, 5, 5), -0.75),  # four pairs, one distinct
        ((1, 2, 3, 4), 0.0),
        ((1, 2, 1, 2, 1), -0.5),  # 12 21 12 21: two distinct of four
        ((1, 2), 0.0),
        ((1,), 0.0),  # shorter than an n-gram: the paper's code divides by zero here
        ((), 0.0),
    ],
)
def test_pairs(ids: tuple[int, ...], expected: float) -> None:
    value = score(RepetitionReward(ngram_size=2), *ids)
    assert value == expected and str(value) == str(expected)  # 0.0, not -0.0


def test_size_and_penalty() -> None:
    assert score(RepetitionReward(ngram_size=3, max_penalty=-0.05), 7, 7, 7, 7, 7) == pytest.approx(-0.05 * 2 / 3)
    assert score(RepetitionReward(), *([1] * 39)) == 0.0
    assert score(RepetitionReward(), *([1] * 41)) == -0.5
    assert score(RepetitionReward(ngram_size=1, max_penalty=0.0), 1, 1) == 0.0


def test_it_is_trls() -> None:
    from trl.rewards import get_repetition_penalty_reward

    ids = [[1, 2, 3, 1, 2, 3, 1], [4] * 9, [1, 2], []]
    assert RepetitionReward(ngram_size=3)(completions=[""] * 4, completion_ids=ids) == pytest.approx(
        get_repetition_penalty_reward(ngram_size=3)(completion_ids=ids)
    )


def test_right_answers_may_repeat() -> None:
    reward = RepetitionReward(ngram_size=2, correct="math")
    assert score(reward, 5, 5, 5, completion="so 4") == 0.0
    assert score(reward, 5, 5, 5, completion="so 3") == -0.5
    assert reward.judge_one("so 4", {"completion_ids": [1], "solution": ""}).status == "bad_reference"
    assert reward.check_reference({"solution": ""}) == "the reference is empty"


def test_without_token_ids_nothing_is_scored() -> None:
    assert RepetitionReward().judge_one("a a a a", {}).status == "error"


def test_mistakes() -> None:
    with pytest.raises(RewardError, match="ngram_size"):
        RepetitionReward(ngram_size=0)
    with pytest.raises(RewardError, match="pay for repeating"):
        RepetitionReward(max_penalty=1.0)
