"""The wire: what goes through, and what is refused."""

import collections
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.code import literals

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
hashable = st.recursive(leaves, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(hashable, max_size=4)
        | st.dictionaries(hashable, inner, max_size=4)
    ),
    max_leaves=20,
)


def refuse(value: object) -> int:
    raise TypeError(type(value).__name__)


def there_and_back(value: Any) -> Any:
    return literals.loads(literals.dumps(value, refuse), lambda number, kind: (number, kind))


def same(a: Any, b: Any) -> bool:
    """Equal, with equal types all the way down."""
    return type(a) is type(b) and a == b and repr(a) == repr(b)


@settings(max_examples=30, deadline=None)
@given(values)
def test_literals_arrive_as_they_left(value: Any) -> None:
    back = there_and_back(value)
    assert type(back) is type(value) and back == value


@pytest.mark.parametrize(
    "value",
    [(1, [2.5, {"a": {3}}]), True, 1, -0.0, "\ud800\x00é", b"\xff", range(1, 9, 3), {1: {2: ()}}, {(): []}],
)
def test_types_are_kept(value: Any) -> None:
    assert there_and_back(value) == value and type(there_and_back(value)) is type(value)


def test_integers_of_any_size() -> None:
    assert there_and_back([10**5000, -(10**3000)]) == [10**5000, -(10**3000)]


def test_numbers_that_are_none() -> None:
    assert math.isnan(there_and_back(float("nan"))) and there_and_back(float("-inf")) == -math.inf


def test_objects_of_subclasses_arrive_as_what_they_hold() -> None:
    class Equal(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    class Two(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter([9])

    Point = collections.namedtuple("Point", "x y")
    assert same(there_and_back(Equal(7)), 7)
    assert same(there_and_back(Two([1, 2])), [1, 2])
    assert same(there_and_back(Point(1, 2)), (1, 2))
    assert same(there_and_back(collections.Counter("aab")), {"a": 2, "b": 1})


def test_iterators_are_taken_up_to_a_cap() -> None:
    back = there_and_back(i for i in iter(int, 1))
    assert next(back) == 0 and sum(1 for _ in back) == literals.MAX_ITEMS - 1
    assert there_and_back(map(str, [1])) != ["1"]


def test_other_objects_stay_and_are_numbered() -> None:
    kept: list[object] = []

    def keep(value: object) -> int:
        kept.append(value)
        return len(kept) - 1

    data = literals.dumps([len, object], keep)
    assert literals.loads(data, lambda number, kind: (number, kind)) == [(0, "builtin_function_or_method"), (1, "type")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"t":[1],"s":[2]}',
        b'{"q":1}',
        b'{"i":"12x"}',
        b'{"i":12}',
        b'{"b":"zz"}',
        b'{"s":[[1]]}',
        b'{"d":[[1]]}',
        b'{"o":1}',
        b'{"o":["x",1]}',
        b'{"c":[1]}',
        b'{"c":["1","2"]}',
        b'{"t":5}',
        b'{"r":[1,2,0]}',
        b"[" * 100_000,
        b"1" * 10_000,
        b"\xff\xfe",
        b"__import__('os')",
    ],
)
def test_everything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(literals.Malformed):
        literals.loads(data, lambda number, kind: number)


@pytest.mark.parametrize("tag", ["s", "f", "l", "t", "d"])
def test_keys_made_to_collide_are_refused(tag: str) -> None:
    keys: list[Any] = [i * (2**61 - 1) for i in range(1, 3000)]
    body: Any = [[key, 0] for key in keys] if tag == "d" else keys
    with pytest.raises(literals.Malformed, match="collide"):
        literals.loads(json.dumps(body if tag == "l" else {tag: body}).encode(), lambda number, kind: number)


def test_many_equal_elements_do_not_collide() -> None:
    assert there_and_back([0] * 5000 + [1, 0.0, False]) == [0] * 5000 + [1, 0.0, False]
    assert there_and_back(set(range(20_000))) == set(range(20_000))
