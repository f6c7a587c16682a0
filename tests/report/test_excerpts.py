from grpo.report.excerpts import end_of, excerpts, from_both_ends, printable, start_of
from tests.report.steps import ADVANTAGES, groups


def test_best_worst_then_those_between_and_the_unjudged_last():
    assert from_both_ends([0.0, 1.0, None, 0.5, 1.0]) == [1, 0, 4, 3, 2]
    assert from_both_ends([None]) == [0]


def test_the_group_with_the_widest_spread_is_shown():
    assert excerpts(groups(), ADVANTAGES, 2) == [
        "  prompt      0 + 0 =",
        "  reward 1.00, math 1.00, 3 tokens, stop",
        "    | 0",
        "  prompt      0 + 0 =",
        "  reward 0.00, math 0.00, 3 tokens, stop",
        "    | [bold]4",
    ]


def test_an_evaluation_shows_the_first_of_each_group():
    shown = excerpts(groups(), None, 2)
    assert [line for line in shown if line.startswith("    |")] == ["    | 2", "    | 0"]


def test_nothing_to_show():
    assert excerpts([], ADVANTAGES, 2) == []
    assert excerpts(groups(), ADVANTAGES, 0) == []


def test_a_terminal_obeys_nothing_that_a_model_wrote():
    assert printable("a\x1b[31m\r\tb é 数") == "a\\x1b[31m\\r\\tb é 数"


def test_long_texts_are_cut_where_they_say_least():
    assert start_of("x" * 403) == "x" * 400 + " (… 3 more characters)"
    assert end_of("abc" + "x" * 400) == "(… 3 characters) " + "x" * 400
    assert start_of("x" * 400) == end_of("x" * 400) == "x" * 400
