"""At most so many completions of a prompt."""

from grpo.recipe.filters import Finished, PerPrompt
from tests.filters.cases import filtered, reasons, row

ROWS = [
    row(prompt_id="a", sample=2, tokens=5),
    row(prompt_id="a", sample=0, tokens=9),
    row(prompt_id="b", sample=0, tokens=1),
    row(prompt_id="a", sample=1, tokens=5),
    row(prompt_id="a", sample=3, tokens=7),
]


def kept(*filters: Finished | PerPrompt) -> list[tuple[str, int]]:
    return [(each.prompt_id, each.sample) for each in filtered(ROWS, *filters).kept]


def test_which_stay_and_in_which_order() -> None:
    assert kept(PerPrompt(at_most=1, prefer="shortest")) == [("b", 0), ("a", 1)]  # of two with 5 tokens the first
    assert kept(PerPrompt(at_most=2, prefer="shortest")) == [("a", 2), ("b", 0), ("a", 1)]
    assert kept(PerPrompt(at_most=3, prefer="longest")) == [("a", 0), ("b", 0), ("a", 1), ("a", 3)]
    assert kept(PerPrompt(at_most=1)) == [("a", 0), ("b", 0)]
    assert kept(PerPrompt(at_most=9)) == [(each.prompt_id, each.sample) for each in ROWS]


def test_the_reason_has_the_rank() -> None:
    assert reasons(ROWS, PerPrompt(at_most=2, prefer="shortest")) == [
        None,
        "number 4 of the prompt's 4 completions left, by shortest first (9 tokens), at most 2",
        None,
        None,
        "number 3 of the prompt's 4 completions left, by shortest first (7 tokens), at most 2",
    ]
    said = reasons(ROWS, PerPrompt(at_most=3))
    assert said[4] == "number 4 of the prompt's 4 completions left, by sample, at most 3"


def test_only_what_is_left_has_a_place() -> None:
    rows = [row(sample=0, tokens=1, finish="length"), row(sample=1, tokens=8), row(sample=2, tokens=4)]
    assert [each.sample for each in filtered(rows, Finished(), PerPrompt(at_most=2, prefer="shortest")).kept] == [1, 2]
