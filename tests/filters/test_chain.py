"""Filters in their order."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from grpo.errors import UserError
from grpo.filters import Row, apply, check
from grpo.recipe.filters import (
    NAMES,
    AnyFilter,
    CodeBlocks,
    Correct,
    Decontaminate,
    Filter,
    Finished,
    Length,
    NearDuplicates,
    Paragraphs,
    PassRate,
    PerPrompt,
)
from rewards.verdict import Verdict, scored
from tests.filters.cases import MATH, filtered, row

KEEP: TypeAdapter[tuple[AnyFilter, ...]] = TypeAdapter(tuple[Filter, ...])
TEXTS = {"test": ["what is three times four", "one two three"]}


def test_each_row_is_rejected_by_the_first_filter_that_does() -> None:
    rows = [
        row(prompt_id="a", sample=0, finish="length", tokens=9, math=0.0),
        row(prompt_id="a", sample=1, tokens=9, math=1.0),
        row(prompt_id="b", sample=0, tokens=2, math=0.0),
        row(prompt_id="b", sample=1, tokens=2, math=1.0),
    ]
    outcome = filtered(rows, Finished(), Length(max_tokens=8), Correct())
    assert outcome.kept == [rows[3]]
    assert [(each.row, each.filter) for each in outcome.rejected] == [
        (rows[0], "finished"),
        (rows[1], "length"),
        (rows[2], "correct"),
    ]
    assert list(outcome.counts.items()) == [("finished", 1), ("length", 1), ("correct", 1), ("kept", 1)]


def test_no_filter_and_no_rows() -> None:
    rows = [row(), row(sample=1)]
    assert filtered(rows).kept == rows and filtered(rows).counts == {"kept": 2}
    assert filtered([], Finished(), PerPrompt(at_most=1)).counts == {"finished": 0, "per_prompt": 0, "kept": 0}


def test_filters_of_a_kind_need_names() -> None:
    long, short = Length(max_tokens=8), Length(name="not_silent", min_tokens=2)
    rows = [row(tokens=9), row(sample=1, tokens=1), row(sample=2, tokens=5)]
    assert filtered(rows, long, short).counts == {"length": 1, "not_silent": 1, "kept": 1}
    with pytest.raises(UserError) as caught:
        check([long, Finished(), Length(min_tokens=2)], MATH, where="stages.cold.keep")
    assert str(caught.value).startswith(
        "stages.cold.keep[2]: two filters share the name 'length' (stages.cold.keep[0] is the other)\nGive each"
    )
    with pytest.raises(ValidationError, match="`kept` counts the completions that no filter rejects"):
        Finished(name="kept")


def test_a_completion_twice_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="sample 0 of prompt p is there twice"):
        filtered([row(), row()], Finished())


def test_filters_as_a_recipe_has_them() -> None:
    given = ["finished", "correct", {"use": "pass_rate", "max": 0.9}, Length(max_tokens=8), "near_duplicates"]
    keep = KEEP.validate_python(given)
    assert keep == (Finished(), Correct(), PassRate(max=0.9), Length(max_tokens=8), NearDuplicates())
    assert KEEP.validate_python(KEEP.dump_python(keep, mode="json")) == keep
    assert len(NAMES) == len(set(NAMES)) == 12


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("fnished", "no filter 'fnished'; did you mean 'finished'?"),
        ({"use": "zzz"}, "no filter 'zzz'; there are finished, correct, pass_rate, length, format"),
        ({"at_most": 2}, "a filter is told by `use`, and none is given; there are finished"),
        ("pass_rate", "give `min`, `max` or both"),
        ({"use": "pass_rate", "min": 0.5, "max": 0.4}, r"min \(0.5\) exceeds max \(0.4\)"),
        ({"use": "pass_rate", "max": 1.5}, "less than or equal to 1"),
        ("length", "give `min_tokens`, `max_tokens` or both"),
        ({"use": "length", "min_tokens": 3, "max_tokens": 2}, r"min_tokens \(3\) exceeds max_tokens \(2\)"),
        ("language", "at_least\n  Field required"),
        ({"use": "repetition", "at_most": 0.1, "ngram": 3}, "Extra inputs are not permitted"),
        ({"use": "decontaminate", "against": []}, "at least 1 item"),
        ({"use": "near_duplicates", "threshold": 0}, "greater than 0"),
    ],
)
def test_mistakes_in_a_recipe(given: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        KEEP.validate_python([given])


def test_the_room_needs_neither_torch_nor_transformers() -> None:
    code = "import sys, grpo.filters; print({'torch', 'transformers', 'datasketch', 'sympy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


verdicts = st.sampled_from([scored(0.0), scored(1.0), scored(0.5), Verdict("timeout"), Verdict("not_applicable")])
hostile = st.text(st.characters(codec=None, categories=None), max_size=40)
completions = hostile | st.lists(
    st.sampled_from(["```", "\n\n", "\r\n", "one two three", "\x00", "\ud800", "~~~\n", "然后", "a\u0301 "]), max_size=8
).map("".join)


@st.composite
def sampled(draw: st.DrawFn) -> list[Row]:
    keys = draw(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), unique=True, max_size=12))
    return [
        row(
            draw(completions),
            prompt_id=prompt,
            sample=sample,
            prompt=f"{prompt}: " + ("what is three times four" if prompt == "c" else "another question"),
            tokens=draw(st.integers(0, 9)),
            finish=draw(st.sampled_from(["stop", "length"])),
            math=draw(verdicts),
        )
        for prompt, sample in keys
    ]


FILTERS: tuple[AnyFilter, ...] = (
    Finished(),
    Correct(at_least=0.5),
    PassRate(min=0.1, max=0.9),
    Length(min_tokens=1, max_tokens=7),
    Paragraphs(max_characters=12),
    CodeBlocks(),
    PerPrompt(at_most=2, prefer="shortest"),
    Decontaminate(against=("test",), completion=True),
)
orders = st.lists(st.sampled_from(FILTERS), unique_by=lambda each: each.use)


@given(sampled(), orders)
@settings(deadline=None)
def test_every_row_is_kept_or_rejected_once_in_its_order(rows: list[Row], filters: list[AnyFilter]) -> None:
    outcome = apply(rows, filters, rewards=MATH, texts=TEXTS)
    rejected = [each.row for each in outcome.rejected]
    places = {(each.prompt_id, each.sample): place for place, each in enumerate(rows)}
    for part in (outcome.kept, rejected):
        numbers = [places[each.prompt_id, each.sample] for each in part]
        assert numbers == sorted(numbers)
    assert len(outcome.kept) + len(rejected) == len(rows)
    assert sorted(places) == sorted((each.prompt_id, each.sample) for each in outcome.kept + rejected)
    assert list(outcome.counts) == [*(each.label for each in filters), "kept"]
    assert outcome.counts["kept"] == len(outcome.kept) and sum(outcome.counts.values()) == len(rows)
    for each in filters:
        assert outcome.counts[each.label] == sum(other.filter == each.label for other in outcome.rejected)
    assert all(each.reason.isprintable() for each in outcome.rejected)


@given(sampled(), orders)
@settings(deadline=None)
def test_the_same_rows_give_the_same_outcome(rows: list[Row], filters: list[AnyFilter]) -> None:
    once, again = (apply(rows, filters, rewards=MATH, texts=TEXTS) for _ in range(2))
    assert once == again and list(once.counts) == list(again.counts)


@given(sampled(), orders)
@settings(deadline=None)
def test_what_was_kept_is_kept_again(rows: list[Row], filters: list[AnyFilter]) -> None:
    """Not with `pass_rate`, whose share is over what it is given."""
    stable = [each for each in filters if not isinstance(each, PassRate)]
    kept = apply(rows, stable, rewards=MATH, texts=TEXTS).kept
    assert apply(kept, stable, rewards=MATH, texts=TEXTS).kept == kept


@given(sampled())
@settings(deadline=None)
def test_near_duplicates_keep_what_they_kept(rows: list[Row]) -> None:
    pytest.importorskip("datasketch")
    once = filtered(rows, NearDuplicates(threshold=0.5, ngram=2))
    assert filtered(once.kept, NearDuplicates(threshold=0.5, ngram=2)).kept == once.kept
    assert len(once.kept) + len(once.rejected) == len(rows)
