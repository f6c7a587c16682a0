"""Length rewards, against numbers worked by hand."""

import pickle
from pathlib import Path

import pytest

from rewards import GroupReward, MathReward, RowReward
from rewards.errors import RewardError
from rewards.length import length
from rewards.load import is_group_reward, load_reward
from rewards.verdict import Verdict

RIGHT, WRONG = "so 4", "so 5"
KIMI = {"form": "group_relative", "correct": "math"}


def row(tokens: int, **columns: object) -> dict[str, object]:
    return {"solution": "4", "completion_ids": list(range(tokens)), "prompt": "2+2?", **columns}


def one(reward: object, completion: str, tokens: int) -> float | None:
    assert isinstance(reward, RowReward)
    return reward.judge_one(completion, row(tokens)).score


@pytest.mark.parametrize(
    ("tokens", "score"),
    [(0, 0.0), (80, 0.0), (81, -0.05), (90, -0.5), (99, -0.95), (100, -1.0), (101, -1.0), (500, -1.0)],
)
def test_soft_overlong_is_dapo_equation_13(tokens: int, score: float) -> None:
    assert one(length("soft_overlong", max_length=100, cache=20), "", tokens) == pytest.approx(score)


def test_soft_overlong_without_a_cache_punishes_what_is_longer() -> None:
    hard = length("soft_overlong", max_length=100, cache=0)
    assert [one(hard, "", tokens) for tokens in (100, 101)] == [0.0, -1.0]


def test_soft_overlong_is_trls_where_both_speak() -> None:
    from trl.rewards import get_soft_overlong_punishment

    ids = [list(range(tokens)) for tokens in range(0, 130, 7)]
    theirs = get_soft_overlong_punishment(max_completion_len=100, soft_punish_cache=20)(completion_ids=ids)
    ours = length("soft_overlong", max_length=100, cache=20)(completions=[""] * len(ids), completion_ids=ids)
    assert ours == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("completion", "tokens", "score"),
    [
        # cos 0 = 1, cos 60° = ½, cos 90° = 0, cos 120° = -½
        (RIGHT, 0, 1.0),
        (RIGHT, 40, 0.5 + 0.25 * 1.5),
        (RIGHT, 60, 0.75),
        (RIGHT, 80, 0.5 + 0.25 * 0.5),
        (WRONG, 0, -1.0),
        (WRONG, 40, -0.5 - 0.25 * 1.5),
        (WRONG, 60, -0.75),
        (WRONG, 80, -0.5 - 0.25 * 0.5),
        (RIGHT, 120, -1.0),
        (WRONG, 120, -1.0),
        (RIGHT, 240, -1.0),  # an unclamped cosine would be back at its best value here
    ],
)
def test_cosine_of_demystifying_long_cot(completion: str, tokens: int, score: float) -> None:
    assert one(length("cosine", max_length=120, correct="math"), completion, tokens) == pytest.approx(score)


def test_cosine_with_the_papers_values_and_margin() -> None:
    paper = length(
        "cosine",
        max_length=120,
        correct={"use": "math", "params": {"require_anchor": True}},
        min_value_correct=1.0,
        max_value_correct=2.0,
        min_value_wrong=-10.0,
        max_value_wrong=0.0,
        exceed_length=-10.0,
        margin=16,
    )
    assert one(paper, "<answer>4</answer>", 60) == pytest.approx(1.5)
    assert one(paper, RIGHT, 60) == pytest.approx(-5.0)  # no anchor: wrong
    assert [one(paper, "<answer>4</answer>", tokens) for tokens in (104, 103)] == [
        -10.0,
        pytest.approx(1.0487, abs=1e-4),
    ]


def test_group_relative_is_kimi_k15() -> None:
    kimi = length("group_relative", correct="math")
    assert isinstance(kimi, GroupReward)
    verdicts = kimi.judge_group([RIGHT, RIGHT, RIGHT, WRONG, WRONG], [row(n) for n in (10, 20, 50, 10, 40)])
    # λ = 0.5 - (L - 10) / 40
    assert [v.score for v in verdicts] == pytest.approx([0.5, 0.25, -0.5, 0.0, -0.25])
    assert verdicts[0].detail == "right, 10 tokens; the group has 10 to 50"
    assert [v.score for v in kimi.judge_group([RIGHT, WRONG], [row(7), row(7)])] == [0.0, 0.0]
    assert [v.score for v in kimi.judge_group([RIGHT], [row(7)])] == [0.0]


def test_group_relative_as_a_trl_callable_tells_groups_apart() -> None:
    kimi = length("group_relative", correct=MathReward())
    ids = [[0] * n for n in (10, 1, 30, 3)]
    prompts = ["p", "q", "p", "q"]
    assert kimi(prompts=prompts, completions=[RIGHT] * 4, completion_ids=ids, solution=["4"] * 4) == [
        0.5,
        0.5,
        -0.5,
        -0.5,
    ]
    same = {"prompts": ["p"] * 4, "prompt_id": [1, 2, 1, 2]}
    assert kimi(**same, completions=[RIGHT] * 4, completion_ids=ids, solution=["4"] * 4) == [0.5, 0.5, -0.5, -0.5]
    messages = [[{"role": "user", "content": p}] for p in prompts]
    assert kimi(prompts=messages, completions=[RIGHT] * 4, completion_ids=ids, solution=["4"] * 4)[1] == 0.5
    with pytest.raises(ValueError, match="give the column `prompt` or `prompt_id`"):
        kimi(completions=[RIGHT], completion_ids=[[0]], solution=["4"])


def test_what_the_inner_reward_cannot_judge_is_passed_on() -> None:
    bad = row(10, solution="")
    cosine = length("cosine", max_length=100, correct="math")
    assert isinstance(cosine, RowReward)
    verdict = cosine.judge_one(RIGHT, bad)
    assert (verdict.status, verdict.detail) == (
        "bad_reference",
        "by math, whether it is right: the reference is empty",
    )
    kimi = length("group_relative", correct="math")
    assert isinstance(kimi, GroupReward)
    assert [v.status for v in kimi.judge_group([RIGHT, RIGHT], [bad, row(20)])] == ["bad_reference", "scored"]
    assert cosine.check_reference(bad) == kimi.check_reference(bad) == "the reference is empty"


def test_without_token_ids_nothing_is_scored() -> None:
    verdicts = length("soft_overlong", max_length=10, cache=5).judge(completions=["a"])
    assert verdicts == [Verdict("error", detail=verdicts[0].detail)] and "no `completion_ids`" in verdicts[0].detail


def test_by_name_with_a_reward_from_a_file_of_the_recipes_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from rewards import RowReward, scored\n"
        "class Half(RowReward):\n    def judge_one(self, completion, row):\n        return scored(0.5)\n"
    )
    params = {"form": "group_relative", "correct": {"use": "mine.py:Half", "at": 0.5}}
    loaded = load_reward("length", params, tmp_path)
    assert is_group_reward(loaded) and isinstance(loaded, GroupReward)
    assert loaded.judge_group(["a", "b"], [row(1), row(2)])[0].score == 0.5
    assert isinstance(
        pickle.loads(
            pickle.dumps(load_reward("length", {"form": "cosine", "max_length": 9, "correct": "math"}, tmp_path))
        ),
        RowReward,
    )


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"form": "cosin"}, "no form 'cosin'; there are soft_overlong, cosine, group_relative"),
        ({"form": "soft_overlong", "max_length": 10}, "missing a required argument: 'cache'; its parameters are"),
        ({"form": "soft_overlong", "max_length": 10, "cache": 20}, "0 ≤ cache ≤ max_length"),
        ({"form": "cosine", "max_length": 10}, "say how to tell, for example `correct: math`"),
        ({"form": "cosine", "max_length": 10, "correct": "math", "margin": 10}, "margin < max_length"),
        ({"form": "group_relative", "correct": "maths"}, "did you mean 'math'"),
        ({"form": "group_relative", "correct": {"uses": "math"}}, "`correct` is a reward's name or"),
        ({"form": "group_relative", "correct": {"use": "length", "params": KIMI}}, "judges one completion alone"),
        ({"form": "group_relative", "correct": "math", "max_length": 5}, "unexpected keyword argument 'max_length'"),
    ],
)
def test_mistakes_say_what_to_do(params: dict[str, object], said: str) -> None:
    with pytest.raises(RewardError, match=said):
        load_reward("length", params, Path("."))
