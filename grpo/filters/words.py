"""Words of a text, so that two texts which read alike have the same words.

    words("The café's 3rd prize: $x^2$ — 然后!")    → ["the", "cafe", "s", "3rd", "prize", "x", "2", "然", "后"]

1. Compatible and composed characters are taken apart (NFKD: "ﬁ" is "fi", "²" is "2", full-width letters are letters).
2. Combining marks go: accents, and the vowel signs of Indic scripts. "café", "cafe" and "cafe\\u0301" are one word.
3. Case goes (Unicode's case folding: "Straße" is "strasse").
4. A word is a run of letters and digits. Everything else only parts words: spaces, punctuation, operators, `_`, control
   characters, lone surrogates. So "3+4" and "3 - 4" are the same two words.
5. In scripts without spaces (`rewards.words`: Chinese, kana, Thai) each character is a word.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from rewards.words import SCRIPTS

_UNSPACED = "".join(characters for characters, per_word, _ in SCRIPTS.values() if per_word)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


def words(text: str) -> list[str]:
    """The words in their order; see above. Takes time linear in the text."""
    # Marks go before NFKD as well: it sorts a run of them, in time quadratic in the run.
    plain = _without_marks(unicodedata.normalize("NFKD", _without_marks(text)).casefold())
    return _WORD.findall(plain)


def ngrams(of: Sequence[str], size: int) -> Iterator[str]:
    """Every `size` words in a row, joined by spaces; none where there are fewer words."""
    return (" ".join(of[start : start + size]) for start in range(len(of) - size + 1))


def _without_marks(text: str) -> str:
    if text.isascii():
        return text
    return "".join(character for character in text if unicodedata.category(character)[0] != "M")
