"""What a word is."""

import time
import unicodedata

import pytest

from grpo.filters.words import ngrams, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The café's 3rd prize: $x^2$ — 然后!", ["the", "cafe", "s", "3rd", "prize", "x", "2", "然", "后"]),
        ("cafe\u0301 café CAFE", ["cafe", "cafe", "cafe"]),
        ("Straße ﬁne x²", ["strasse", "fine", "x2"]),
        ("ＡＢ１", ["ab1"]),  # full width
        ("3+4=7", ["3", "4", "7"]),
        ("snake_case", ["snake", "case"]),
        ("a\r\nb\x00c\ud800d\u200be", ["a", "b", "c", "d", "e"]),
        ("पहले हम", ["पहल", "हम"]),  # one word each, without its vowel sign
        ("がぎ ｶﾞ ไทย 한국어 말", ["か", "き", "カ", "ไ", "ท", "ย", "한국어", "말"]),
        ("", []),
        ("$+$ …", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert [unicodedata.normalize("NFC", word) for word in words(text)] == expected


def test_ngrams() -> None:
    assert list(ngrams(["a", "b", "c"], 2)) == ["a b", "b c"]
    assert list(ngrams(["a", "b", "c"], 3)) == ["a b c"]
    assert list(ngrams(["a"], 2)) == [] == list(ngrams([], 1))


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0301\u0323" * 500_000,  # a run of marks that NFKD would sort
        "a" + "\u0f73" * 300_000,  # marks that come apart into marks of two kinds
        "\u0344" * 500_000,
        "\uff9e\uff9f" * 500_000,
        "\ufdfa" * 50_000,  # 18 characters each
        "然" * 1_000_000,
        "a " * 500_000,
        "_" * 1_000_000,
        "\ud800" * 1_000_000,
        "\x00" * 1_000_000,
    ],
)
def test_a_million_characters_take_no_time(text: str) -> None:
    start = time.process_time()
    words(text)
    assert time.process_time() - start < 3
