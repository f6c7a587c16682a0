r"""Words of a text by language: what is counted, and how much.

    count_words("So $x^2$ 等于四, ok then", "en", None)   → {"en": 3.0, "zh": 2.0}

Formulas, code, links, numbers and notation are taken out first; of formulas and code only the letters that are no
notation anywhere (Chinese, Cyrillic, Arabic …) stay, so that a chain of thought cannot hide in a code fence.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping

# script → (characters, characters a word or 0 where spaces part words, its main language)
# Characters a word: rough means of running text. Chinese words have one or two characters, mostly two; Thai and its
# neighbours about four letters.
# Escapes, because an editor that normalises text would change some of these characters.
SCRIPTS: Mapping[str, tuple[str, float, str]] = {
    "latin": (r"A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0300-\u036f\u1e00-\u1eff", 0, "en"),
    "cyrillic": (r"\u0400-\u052f\u1c80-\u1c88", 0, "ru"),
    "greek": (r"\u0370-\u03ff\u1f00-\u1fff", 0, "el"),
    "han": (r"\u2e80-\u2fd5\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff", 1.5, "zh"),
    "kana": (r"\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f", 2.0, "ja"),
    "hangul": (r"\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e", 0, "ko"),
    "arabic": (r"\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u0750-\u077f\u08a0-\u08ff", 0, "ar"),
    "hebrew": (r"\u0591-\u05ea", 0, "he"),
    "devanagari": (r"\u0900-\u0963\u0971-\u097f", 0, "hi"),
    "bengali": (r"\u0980-\u09e3", 0, "bn"),
    "tamil": (r"\u0b82-\u0bd7", 0, "ta"),
    "telugu": (r"\u0c00-\u0c63", 0, "te"),
    "georgian": (r"\u10a0-\u10ff", 0, "ka"),
    "armenian": (r"\u0531-\u0587", 0, "hy"),
    "thai": (r"\u0e01-\u0e3a\u0e40-\u0e4e", 4.0, "th"),
}
MAIN_LANGUAGES: Mapping[str, str] = {language: script for script, (_, _, language) in SCRIPTS.items()}
# Languages that share a script with its main language: only a detector tells them from it.
_LATIN = "de fr es it pt nl pl cs sk sv da no fi hu ro tr vi id ms hr sl et lv lt ca"
_CYRILLIC = "uk bg sr be kk mk"
SHARING: Mapping[str, str] = {
    **dict.fromkeys(_LATIN.split(), "latin"),
    **dict.fromkeys(_CYRILLIC.split(), "cyrillic"),
    **dict.fromkeys(("fa", "ur"), "arabic"),
    **dict.fromkeys(("mr", "ne"), "devanagari"),
}

# A pair of dollar signs encloses a formula where neither stands beside a space on the inside, nor a digit follows: so
# that "$5 and then $7" is prices.
_NOT_LANGUAGE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\$\$.*?\$\$|\\\[.*?\\\]|\\\(.*?\\\)|(?<!\\)\$(?=\S)[^$\n]*(?<=\S)\$(?!\d)|"
    r"\\begin\s*\{([a-z]+\*?)\}.*?\\end\s*\{\1\}|\\[a-zA-Z]+(?:\s*\{[^{}]*\})*|https?://\S+|</?[a-zA-Z_]+>",
    re.DOTALL,
)
_FOREIGN = re.compile(r"[^\x00-\u02ff\u0370-\u03ff\u1e00-\u2bff\U0001d400-\U0001d7ff]")
_RUNS = re.compile(
    "|".join(f"(?P<{name}>[{chars}]+(?:['’-][{chars}]+)*)" for name, (chars, _, _) in SCRIPTS.items())
    + r"|(?P<other>[^\W\d_]+)"
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|[。!?؟।\n]+")
_NAMES = """sin cos tan cot sec csc log ln exp lim max min mod gcd lcm det sqrt arcsin arccos arctan sinh cosh tanh
mm cm dm km kg mg ml kwh mph"""
_NOTATION = frozenset(_NAMES.split())
DETECTED_AT_ONCE = 8  # words: shorter sentences are told together with their neighbours


def languages() -> frozenset[str]:
    """The languages that can be asked for."""
    return frozenset(MAIN_LANGUAGES) | frozenset(SHARING)


def count_words(text: str, target: str, detect: Callable[[str], str] | None) -> dict[str, float]:
    """Words by language. Without `detect`, each script counts as the target where the target is written in it, else
    as its main language; with it, words of the target's script count for the language it finds, piece by piece."""
    plain = _NOT_LANGUAGE.sub(_keep_foreign, unicodedata.normalize("NFC", text))
    counts: dict[str, float] = {}
    script = MAIN_LANGUAGES.get(target) or SHARING[target]
    ours: list[tuple[str, float]] = []  # what sentences have in the target's script, for the detector
    for sentence in _SENTENCE.split(plain):
        runs = _runs(sentence)
        words = {name: _amount(name, of_script) for name, of_script in runs.items()}
        for name, count in words.items():
            if name == script and detect is not None:
                ours.append((" ".join(runs[name]), count))
            else:
                language = _language(name, words, target, script)
                counts[language] = counts.get(language, 0.0) + count
    for piece, count in _pieces(ours):
        assert detect is not None
        language = detect(piece)
        counts[language] = counts.get(language, 0.0) + count
    return counts


def _keep_foreign(match: re.Match[str]) -> str:
    """Of a formula or code, the letters that belong to no notation."""
    return f" {''.join(_FOREIGN.findall(match.group()))} "


def _runs(sentence: str) -> dict[str, list[str]]:
    """Runs of letters by script, without notation."""
    runs: dict[str, list[str]] = {}
    for match in _RUNS.finditer(sentence):
        script, run = match.lastgroup or "other", match.group()
        if not _is_notation(run, script):
            runs.setdefault(script, []).append(run)
    return runs


def _amount(script: str, runs: list[str]) -> float:
    """Runs of letters as a number of words."""
    per_word = SCRIPTS[script][1] if script in SCRIPTS else 0
    return sum(map(len, runs)) / per_word if per_word else float(len(runs))


def _is_notation(run: str, script: str) -> bool:
    """Single letters, names of points and quantities (AB, ABCD, GCD), functions and units."""
    if script not in ("latin", "greek"):
        return False
    return len(run) == 1 or (run.isupper() and len(run) <= 4) or run.lower() in _NOTATION


def _language(name: str, words: Mapping[str, float], target: str, script: str) -> str:
    """The language of a script's words in a sentence. Chinese characters beside kana are Japanese."""
    if name == "han":
        return "ja" if words.get("kana", 0.0) > 0.1 * words["han"] else "zh"
    if name == script:
        return target
    return SCRIPTS[name][2] if name in SCRIPTS else "other"


def _pieces(sentences: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Neighbouring sentences joined until each piece has enough words for a detector; a short rest joins the last."""
    pieces: list[tuple[str, float]] = []
    for sentence, count in sentences:
        if pieces and pieces[-1][1] < DETECTED_AT_ONCE:
            pieces[-1] = (f"{pieces[-1][0]} {sentence}", pieces[-1][1] + count)
        else:
            pieces.append((sentence, count))
    if len(pieces) > 1 and pieces[-1][1] < DETECTED_AT_ONCE:
        text, count = pieces.pop()
        pieces[-1] = (f"{pieces[-1][0]} {text}", pieces[-1][1] + count)
    return pieces
