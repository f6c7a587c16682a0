"""Completions that say what an earlier one says."""

import os
import random
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy
import pytest

from grpo.errors import UserError
from grpo.filters import check
from grpo.filters.near_duplicates import bands, near_duplicates
from grpo.recipe.filters import NearDuplicates
from tests.filters.cases import MATH, filtered, group, reasons, row

needs_datasketch = pytest.mark.skipif(find_spec("datasketch") is None, reason="needs datasketch")


def numbers(count: int, start: int = 0) -> str:
    return " ".join(f"w{number}" for number in range(start, start + count))


def test_a_missing_package_is_said_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(UserError) as caught:
        check([NearDuplicates()], MATH)
    assert str(caught.value) == (
        "keep[0]: near_duplicates needs the package `datasketch`, which is not installed\n"
        "pip install 'grpo[dedup]', or take near_duplicates out of `keep`"
    )


def test_bands_find_pairs_at_the_threshold() -> None:
    # 1 - (1 - 0.75^5)^25 = 0.9988, and with 6 rows a band 1 - (1 - 0.75^6)^21 = 0.985.
    assert bands(0.75) == (25, 5)
    assert bands(1.0) == (2, 64)  # equal sets have equal signatures
    assert bands(0.01) == (128, 1)
    for threshold in (0.05, 0.2, 0.5, 0.8, 0.9, 0.99):
        b, r = bands(threshold)
        assert b * r <= 128 and 1 - (1 - threshold**r) ** b >= 0.99


@needs_datasketch
def test_the_first_of_equal_words_stays() -> None:
    rows = group("The sum is 4, so 4.", "the SUM is 4 -- so 4", "Another text with other words in it")
    assert reasons(rows, NearDuplicates()) == [
        None,
        "Jaccard similarity 1 of word 5-grams with sample 0 of prompt p, which is kept; must be below 0.75",
        None,
    ]


@needs_datasketch
def test_the_similarity_is_exact() -> None:
    # 20 words have 16 5-grams; one more word at the end leaves all 16 and adds one: 16 / 17.
    rows = group(numbers(20), numbers(21))
    assert reasons(rows, NearDuplicates(threshold=16 / 17))[1] == (
        "Jaccard similarity 0.9412 of word 5-grams with sample 0 of prompt p, which is kept; must be below 0.941176"
    )
    assert reasons(rows, NearDuplicates(threshold=0.95)) == [None, None]
    # Single words: 3 of 4.
    assert reasons(group("a b c", "a b c d"), NearDuplicates(ngram=1))[1] is not None
    assert reasons(group("a b c", "a b c d e"), NearDuplicates(ngram=1)) == [None, None]


@needs_datasketch
def test_short_and_wordless_texts() -> None:
    rows = group("so 4", "So 4!", "so 5", "", "", "$+$", "$-$", "\x00\ud800", "\x00\ud800")
    said = [each is None for each in reasons(rows, NearDuplicates())]
    assert said == [True, False, True, True, False, True, True, True, False]


@needs_datasketch
def test_a_rejected_row_rejects_nothing() -> None:
    # Each shares 3 of 5 words with the next, and the first 2 of 6 with the last.
    rows = group("a b c d", "b c d e", "c d e f")
    assert [each is None for each in reasons(rows, NearDuplicates(threshold=0.6, ngram=1))] == [True, False, True]


@needs_datasketch
def test_among_all_prompts_or_within_each() -> None:
    rows = group("so 4", "so 4") + group("so 4", "so 5", "so 4", prompt_id="q")
    assert [each is None for each in reasons(rows, NearDuplicates())] == [True, False, False, True, False]
    within = reasons(rows, NearDuplicates(within="prompt"))
    assert [each is None for each in within] == [True, False, True, True, False]
    assert within[4] is not None and "with sample 0 of prompt q" in within[4]


@needs_datasketch
def test_pairs_above_the_threshold_are_found_and_others_are_not() -> None:
    """200 pairs a little above the threshold, 200 a little below, and nothing else alike."""
    texts: list[str] = []
    for pair in range(200):
        texts += [numbers(20, 1000 * pair), numbers(18, 1000 * pair) + " x y"]  # 14 of 18 5-grams: 0.78
        texts += [numbers(20, 1000 * pair + 500), numbers(17, 1000 * pair + 500) + " x y z"]  # 13 of 19: 0.68
    outcome = filtered(group(*texts), NearDuplicates())
    rejected = [each.row.sample for each in outcome.rejected]
    assert set(rejected) <= {4 * pair + 1 for pair in range(200)} and len(rejected) >= 198


@needs_datasketch
def test_the_same_rows_give_the_same_outcome_in_any_process() -> None:
    draw = random.Random(0)
    texts = [" ".join(draw.choices("abcdefgh", k=12)) for _ in range(300)]
    code = (
        "import sys; from grpo.filters.near_duplicates import near_duplicates as run\n"
        "from grpo.recipe.filters import NearDuplicates; from tests.filters.cases import group\n"
        "print(run(NearDuplicates(threshold=0.3, ngram=2), group(*sys.argv[1:])))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, *texts], capture_output=True, text=True, check=True, env=environment(hash_seed)
        ).stdout
        for hash_seed in ("1", "2")
    ]
    here = near_duplicates(NearDuplicates(threshold=0.3, ngram=2), group(*texts))
    assert runs == [f"{here}\n"] * 2 and 20 < sum(each is not None for each in here) < 280


def environment(hash_seed: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }


@needs_datasketch
def test_no_global_generator_moves() -> None:
    before = random.getstate(), str(numpy.random.get_state())
    filtered(group("so 4", "so 4"), NearDuplicates(within="prompt"))
    assert (random.getstate(), str(numpy.random.get_state())) == before


@needs_datasketch
@pytest.mark.parametrize("text", ["a b c " * 160_000, numbers(150_000), "", "\ud800" * 1_000_000, "然后" * 500_000])
def test_a_million_characters_take_linear_time(text: str) -> None:
    start = time.process_time()
    rows = [row(text), row(text, sample=1)]
    assert len(filtered(rows, NearDuplicates()).kept) == 1
    assert time.process_time() - start < 20
