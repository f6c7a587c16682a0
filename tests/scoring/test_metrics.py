"""Metrics of rewards, by hand."""

from math import sqrt

from pytest import approx

from grpo.records import Completion, Group, Prompt
from grpo.scoring.metrics import reward_metrics
from rewards.verdict import Verdict, scored


def group(*verdicts: Verdict) -> Group:
    completions = tuple(Completion("p", i, (1,), (0.0,), "", "stop", 0) for i in range(len(verdicts)))
    return Group(Prompt("p", "", (1,)), completions, tuple({"math": verdict} for verdict in verdicts))


def test_mean_and_std_are_of_what_was_scored_and_the_rest_is_counted() -> None:
    groups = [
        group(scored(1), scored(0), Verdict("timeout"), Verdict("error")),
        group(scored(0), scored(1), Verdict("not_applicable"), Verdict("error")),
    ]
    assert reward_metrics(groups, ["math"]) == approx(
        {
            "rewards/math/mean": 0.5,
            "rewards/math/std": sqrt(1 / 3),
            "rewards/math/unjudged": 3,
            "rewards/math/timeout": 1,
            "rewards/math/error": 2,
            "rewards/math/bad_reference": 0,
            "rewards/math/not_applicable": 1,
        }
    )


def test_nothing_scored_has_no_mean() -> None:
    metrics = reward_metrics([group(Verdict("bad_reference"))], ["math"])
    assert "rewards/math/mean" not in metrics and metrics["rewards/math/bad_reference"] == 1


def test_one_score_has_no_spread() -> None:
    assert reward_metrics([group(scored(1))], ["math"])["rewards/math/std"] == 0.0
