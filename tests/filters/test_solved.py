"""Right completions and prompts of the right difficulty."""

import pytest

from grpo.errors import UserError
from grpo.filters import Row, apply, check
from grpo.recipe.fields import Reward
from grpo.recipe.filters import Correct, Finished, PassRate
from rewards.verdict import Verdict, scored
from tests.filters.cases import MATH, filtered, reason, reasons, row


def test_a_score_at_least() -> None:
    assert reason(row(math=1.0), Correct()) is None
    assert reason(row(math=0.5), Correct()) == "reward math scored 0.5, at least 1"
    assert reason(row(math=0.5), Correct(at_least=0.5)) is None
    assert reason(row(math=float("nan")), Correct()) == "reward math scored nan, at least 1"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("timeout", "reward math could not judge it within its deadline (timeout)"),
        ("error", "reward math could not judge it, it failed (error)"),
        ("bad_reference", "reward math could not judge it, the reference cannot be read (bad_reference)"),
        ("not_applicable", "reward math does not apply to it (not_applicable)"),
    ],
)
def test_what_was_not_judged_is_rejected_with_its_status(status: str, said: str) -> None:
    assert reason(row(math=Verdict(status)), Correct(at_least=0.0)) == said  # type: ignore[arg-type]


def test_the_reward_that_decides() -> None:
    rewards = [Reward(use="format", weight=0.0), Reward(use="math"), Reward(use="length", weight=0.2)]
    rows = [row(math=1.0, format=0.0, length=-1.0)]
    assert apply(rows, [Correct()], rewards=rewards).counts == {"correct": 0, "kept": 1}
    named = [Correct(reward="format"), Correct(name="short", reward="length", at_least=-0.5)]
    assert apply(rows, named[:1], rewards=rewards).rejected[0].reason == "reward format scored 0, at least 1"
    assert apply(rows, named[1:], rewards=rewards).rejected[0].reason == "reward length scored -1, at least -0.5"


def test_a_reward_that_is_not_there() -> None:
    with pytest.raises(UserError) as caught:
        check([Finished(), PassRate(reward="maths", max=0.5)], [*MATH, Reward(use="format")], where="keep")
    assert str(caught.value) == "keep[1].reward: no reward 'maths'\nKnown: math, format."
    with pytest.raises(UserError, match=r"keep\[0\].reward: no reward 'math'\nKnown: none."):
        check([Correct(reward="math")], [])
    with pytest.raises(UserError, match="takes the first reward that has a weight, and none has one\nName the reward"):
        check([Correct()], [Reward(use="math", weight=0.0)])
    with pytest.raises(UserError, match="none has one\nGive the stage `rewards`."):
        check([Correct()], [])


def test_a_row_that_was_not_judged_by_it_is_our_mistake() -> None:
    with pytest.raises(ValueError, match=r"sample 0 of prompt p has no verdict of 'math' \(it has format\)"):
        filtered([row(format=1.0)], Correct())


def of_prompt(prompt_id: str, *scores: float | None) -> list[Row]:
    verdicts = [Verdict("timeout") if score is None else scored(score) for score in scores]
    return [row(prompt_id=prompt_id, sample=i, math=verdict) for i, verdict in enumerate(verdicts)]


def test_prompts_outside_of_the_band() -> None:
    never, sometimes, always = (
        of_prompt("a", 0, 0, 0, 0),
        of_prompt("b", 1, 0, 0, 0),
        of_prompt("c", 1, 1, 1, 1),
    )
    said = reasons(never + sometimes + always, PassRate(min=0.25, max=0.75))
    assert said == (
        ["pass rate 0 of 4 by reward math, outside 0.25 to 0.75"] * 4
        + [None] * 4
        + ["pass rate 4 of 4 by reward math, outside 0.25 to 0.75"] * 4
    )
    # Bounds as one writes them are inclusive: 3 / 10 and 0.3 are the same double, as are 1 / 3 and 0.333… rounded.
    assert reasons(of_prompt("a", *[1] * 3, *[0] * 7), PassRate(min=0.3, max=0.3)) == [None] * 10
    assert reasons(of_prompt("a", 0.4, 0.6), PassRate(min=0.5, max=0.5, at_least=0.5)) == [None] * 2


def test_what_was_not_judged_counts_neither_way() -> None:
    half = of_prompt("a", 1, 0, None, None)
    assert reasons(half, PassRate(min=0.5, max=0.5)) == [None] * 4
    assert (
        reasons(of_prompt("a", None, None), PassRate(max=0.9))
        == ["reward math scored no completion of the prompt, which has no pass rate"] * 2
    )


def test_the_pass_rate_is_of_all_that_was_sampled() -> None:
    rows = of_prompt("a", 1, 0, 0, 0)
    outcome = filtered(rows, Correct(), PassRate(max=0.25))  # of those left it would be 1 of 1
    assert [kept.sample for kept in outcome.kept] == [0]
    assert outcome.counts == {"correct": 3, "pass_rate": 0, "kept": 1}
