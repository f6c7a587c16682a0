"""Rows that share words in a row with an evaluation set."""

import time

import pytest

from grpo.errors import UserError
from grpo.recipe.filters import Decontaminate
from tests.filters.cases import filtered, group, reasons, row

TEN = "one two three four five six seven eight nine ten"


def test_words_in_a_row() -> None:
    rows = group("x", prompt=f"<user>Now: {TEN}.") + group("x", prompt_id="q", prompt="One, TWO — three; four!")
    texts = {"test": [f"{TEN} eleven"]}
    assert reasons(rows, Decontaminate(against=("test",), ngram=10), texts=texts) == [
        "10 words in a row of the prompt are in test: 'one two three four five six seven eight nine ten'",
        None,
    ]
    assert reasons(rows, Decontaminate(against=("test",), ngram=11), texts=texts) == [None, None]
    assert reasons(rows, Decontaminate(against=("test",), ngram=4), texts=texts) == [
        "4 words in a row of the prompt are in test: 'one two three four'",
        "4 words in a row of the prompt are in test: 'one two three four'",
    ]


def test_thirteen_words_are_the_default() -> None:
    thirteen = f"{TEN} eleven twelve thirteen"
    filter = Decontaminate(against=("test",))
    assert reasons(group("x", prompt=f"so {thirteen} so"), filter, texts={"test": [f"ah {thirteen} oh"]})[0] is not None
    twelve = f"so {TEN} eleven twelve so"
    assert reasons(group("x", prompt=twelve), filter, texts={"test": [f"ah {thirteen} oh"]}) == [None]


def test_a_short_text_is_looked_for_as_a_whole() -> None:
    filter = Decontaminate(against=("test",))
    texts = {"test": ["What is 3 * 4?", "Go on", f"{TEN} {TEN}"]}
    assert reasons(group("x", prompt="<user>What is 3*4? <assistant>"), filter, texts=texts) == [
        "4 words in a row of the prompt are in test: 'what is 3 4'"
    ]
    assert reasons(group("x", prompt="What is 3 * 5? Go on."), filter, texts=texts) == [None]  # 2 words: not looked for
    assert reasons(group("x", prompt="Go on"), Decontaminate(against=("test",), ngram=2), texts=texts)[0] is not None


def test_the_completion_where_it_is_asked_for() -> None:
    rows = [row(f"As in the test: {TEN}"), row("nothing", sample=1)]
    texts = {"test": [TEN]}
    assert reasons(rows, Decontaminate(against=("test",), ngram=10), texts=texts) == [None, None]
    assert reasons(rows, Decontaminate(against=("test",), ngram=10, completion=True), texts=texts) == [
        "10 words in a row of the completion are in test: 'one two three four five six seven eight nine ten'",
        None,
    ]


def test_the_first_source_that_has_the_words_is_named() -> None:
    texts = {"b": [TEN], "a": [TEN], "c": ["quite another text"]}
    said = reasons(group("x", prompt=TEN), Decontaminate(against=("c", "a", "b"), ngram=10), texts=texts)
    assert said[0] is not None and " are in a: " in said[0]


def test_a_long_run_of_words_is_cut_in_the_reason() -> None:
    words = " ".join(f"word{number}" for number in range(20))
    (said,) = reasons(group("x", prompt=words), Decontaminate(against=("t",), ngram=20), texts={"t": [words]})
    assert said is not None and said.endswith("…'") and len(said) < 140


def test_a_source_with_nothing_to_look_for() -> None:
    filter = Decontaminate(against=("good", "empty"))
    for texts, words in (([], 0), (["", "$+$"], 0), (["two words"], 2)):
        with pytest.raises(UserError) as caught:
            filtered(group("x"), filter, texts={"good": [TEN], "empty": iter(texts)})
        assert str(caught.value).startswith(
            f"keep[0].against[1]: empty has nothing to look for: its longest text has {words} words"
        )


def test_a_source_that_was_not_handed_over_is_our_mistake() -> None:
    with pytest.raises(ValueError, match=r"keep\[0\]: the texts of 'test' were not handed over \(got train\)"):
        filtered(group("x"), Decontaminate(against=("test",)), texts={"train": [TEN]})


def test_a_million_characters_take_linear_time() -> None:
    texts = {"test": ["a " * 500_000 + "b", *(" ".join("b" * size) for size in range(3, 13))]}
    start = time.process_time()
    filtered(group("x", prompt="a b " * 250_000), Decontaminate(against=("test",)), texts=texts)
    assert time.process_time() - start < 10
