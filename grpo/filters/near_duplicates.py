"""Completions that say what an earlier one says in nearly the same words: the earlier one stays.

Each completion becomes the set of its word n-grams (`grpo.filters.words`; fewer words than one n-gram: all of them as
one; no words: the text itself). Rows are taken in order, and one is rejected where its set has a Jaccard similarity of
at least `threshold` with that of a row kept before. Rejected rows reject nothing: every rejected row is like one that
is in the training set, and a chain of small changes does not end in the loss of a text that is like none of them.

Comparing all pairs is quadratic in the rows, so MinHash (datasketch) proposes pairs, and the exact similarity of the
sets decides: nothing is rejected that is not a near-duplicate. What it may miss: of pairs exactly at the threshold one
in a hundred, of more similar ones fewer, of equal ones none.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import sqrt
from random import getstate, setstate
from typing import TYPE_CHECKING

from grpo.filters.rows import Row
from grpo.filters.words import ngrams, words
from grpo.recipe.filters import NearDuplicates

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

PERMUTATIONS = 128
SEED = 1  # of the permutations: the same rows give the same outcome in every run
FOUND = 0.99  # chance that a pair exactly at the threshold is proposed
AT_ONCE = 4096  # n-grams hashed at a time: a batch takes this × PERMUTATIONS numbers of memory


def near_duplicates(settings: NearDuplicates, rows: Sequence[Row]) -> list[str | None]:
    """Why each row is rejected, or None."""
    from datasketch import MinHash

    blank = MinHash(num_perm=PERMUTATIONS, seed=SEED, scheme="affine32")
    kept: dict[str, _Kept] = {}
    reasons: list[str | None] = []
    for row in rows:
        among = row.prompt_id if settings.within == "prompt" else ""
        if among not in kept:
            kept[among] = _Kept(settings)
        reasons.append(kept[among].take(row, blank.copy()))
    return reasons


def bands(threshold: float) -> tuple[int, int]:
    """Bands and rows of a band, r as large as leaves a pair exactly at the threshold a chance of FOUND to agree in a
    whole band: 1 - (1 - threshold^r)^b (Leskovec et al., Mining of Massive Datasets, §3.4.2)."""
    fitting = [
        r for r in range(1, PERMUTATIONS // 2 + 1) if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= FOUND
    ] or [1]  # below a threshold of 0.035 no size reaches it
    return PERMUTATIONS // fitting[-1], fitting[-1]


class _Kept:
    """The rows kept so far among which near-duplicates are looked for."""

    def __init__(self, settings: NearDuplicates) -> None:
        self._settings = settings
        self._index = _empty_index(settings.threshold)
        self._rows: list[tuple[Row, MinHash]] = []
        # Four standard deviations of the estimate below the threshold: pairs that the bands propose by chance are told
        # by their signatures, without making the sets again.
        self._least = settings.threshold - 4 * sqrt(settings.threshold * (1 - settings.threshold) / PERMUTATIONS)

    def take(self, row: Row, signature: "MinHash") -> str | None:
        """Keep the row, or say which kept row it is like. signature: an empty one, which becomes the row's."""
        grams = self._grams(row)
        for batch in _batches(grams):
            signature.update_batch(batch)
        for place in sorted(self._index.query(signature)):
            other, of_other = self._rows[place]
            if signature.jaccard(of_other) < self._least:
                continue
            theirs = self._grams(other)
            similarity = len(grams & theirs) / len(grams | theirs)
            if similarity >= self._settings.threshold:
                return (
                    f"Jaccard similarity {similarity:.4g} of word {self._settings.ngram}-grams with sample "
                    f"{other.sample} of prompt {other.prompt_id}, which is kept; "
                    f"must be below {self._settings.threshold:g}"
                )
        self._index.insert(len(self._rows), signature)
        self._rows.append((row, signature))
        return None

    def _grams(self, row: Row) -> set[str]:
        of_text = words(row.completion)
        size = min(self._settings.ngram, len(of_text))
        return set(ngrams(of_text, size)) if size else {row.completion}


def _empty_index(threshold: float) -> "MinHashLSH":
    from datasketch import MinHashLSH

    state = getstate()  # the index gives itself a random name, which must not move the process's generator
    try:
        return MinHashLSH(num_perm=PERMUTATIONS, params=bands(threshold))
    finally:
        setstate(state)


def _batches(grams: Iterable[str]) -> Iterator[list[bytes]]:
    encoded = (gram.encode("utf-8", "surrogatepass") for gram in grams)
    while batch := list(islice(encoded, AT_ONCE)):
        yield batch
