"""One call in TRL's convention."""

import math

import pytest

from rewards.batch import call_batch

KWARGS = {"completions": ["a", "bb", "ccc"], "solution": ["1", "2", "3"], "trainer_state": None}


def test_scores_and_none() -> None:
    result = call_batch(lambda completions, **kwargs: [1, None, 0.5], KWARGS)
    assert [(v.status, v.score) for v in result.verdicts] == [
        ("scored", 1.0),
        ("not_applicable", None),
        ("scored", 0.5),
    ]


def test_a_narrow_signature_gets_what_it_names() -> None:
    result = call_batch(lambda completions, solution: [len(c) + int(s) for c, s in zip(completions, solution)], KWARGS)  # noqa: B905
    assert [v.score for v in result.verdicts] == [2.0, 4.0, 6.0]


def test_async_is_awaited() -> None:
    async def reward(completions: list[str], **kwargs: object) -> list[float]:
        return [float(len(c)) for c in completions]

    assert [v.score for v in call_batch(reward, KWARGS).verdicts] == [1.0, 2.0, 3.0]


def test_log_metric_and_log_extra() -> None:
    def reward(completions, log_metric, log_extra, **kwargs):  # type: ignore[no-untyped-def]
        log_metric("long", 1.0)
        log_metric("long", 3.0)
        log_extra("first", [c[0] for c in completions])
        return [0.0] * len(completions)

    result = call_batch(reward, KWARGS)
    assert result.metrics == {"long": [1.0, 3.0]} and result.extras == {"first": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [([1.0], "returned 1 values for 3 completions"), (["x", 1, 1], "could not convert string to float")],
)
def test_a_bad_answer_is_an_error_for_all(answer: list, reason: str) -> None:
    verdicts = call_batch(lambda completions, **kwargs: answer, KWARGS).verdicts
    assert [v.status for v in verdicts] == ["error"] * 3 and reason in verdicts[0].detail


def test_nan_is_an_error_of_its_row() -> None:
    verdicts = call_batch(lambda completions, **kwargs: [1.0, math.nan, math.inf], KWARGS).verdicts
    assert [v.status for v in verdicts] == ["scored", "error", "error"]
    assert verdicts[1].detail == "the reward returned nan"


def test_an_exception_is_an_error_with_its_traceback() -> None:
    def reward(completions, **kwargs):  # type: ignore[no-untyped-def]
        raise KeyError("my own mistake")

    verdicts = call_batch(reward, KWARGS).verdicts
    assert len(verdicts) == 3 and "my own mistake" in verdicts[2].detail and "Traceback" in verdicts[2].detail
