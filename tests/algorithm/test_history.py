"""Which prompts are skipped for a while: by how often in a row their groups had no signal."""

from collections.abc import Callable

import pytest

from grpo.algorithm.advantages import group_advantages
from grpo.algorithm.history import SOLVED, UNSOLVED, History, learned
from grpo.records import Group
from tests.algorithm.conftest import make_group

ONE = {"r0": 1.0}


def after(history: History, *groups: Group, target: float = 0.25, step: float = 0.01) -> History:
    return learned(history, groups, group_advantages(groups, ONE), target=target, step=step)


def flat(name: str, reward: float) -> Group:
    return make_group([reward], [reward], name=name)


MIXED = make_group([1.0], [0.0], name="mixed")


def test_the_probability_is_that_of_the_paper() -> None:
    history = History.beginning(0.5)
    assert history.skip_probability("hard") == 0.0
    for times in (1, 2, 3):
        history = after(history, flat("hard", 0.0), MIXED, step=0.0)
        assert history.flat == {"hard": (UNSOLVED, times)}
        assert history.skip_probability("hard") == pytest.approx(1 - 0.5**times)
    assert history.skip_probability("mixed") == 0.0


def test_a_signal_ends_it_and_a_change_of_kind_begins_anew() -> None:
    history = after(after(History.beginning(0.5), flat("a", 0.0), MIXED), flat("a", 0.0), MIXED)
    assert after(history, flat("a", 1.0), MIXED).flat == {"a": (SOLVED, 1)}
    assert after(history, make_group([1.0], [0.0], name="a")).flat == {}


def test_exploration_is_steered_to_the_target_by_kind() -> None:
    """A third of the target for the solved, two thirds for the unsolved: of 8 groups at 0.25 that is 0.67 and 1.33."""
    mixed = [make_group([1.0], [0.0], name=f"m{i}") for i in range(6)]
    history = after(History.beginning(0.5), flat("easy", 1.0), flat("hard", 0.0), *mixed)
    assert history.explore == pytest.approx({SOLVED: 0.49, UNSOLVED: 0.51})
    assert after(History.beginning(1.0), *mixed).explore == {SOLVED: 1.0, UNSOLVED: 1.0}


def test_what_could_not_be_judged_changes_nothing(group: Callable) -> None:
    history = after(History.beginning(0.5), flat("a", 0.0), MIXED, step=0.0)
    unjudged = make_group(["timeout"], ["error"], name="a")
    assert after(history, unjudged, MIXED, step=0.0) == history
    assert after(history, unjudged) == history
