"""The wire between judge and candidate: plain literals, and nothing else.

    (1, {2.5}, b"x")   →   {"t": [1, {"s": [2.5]}, {"b": "78"}]}   →   (1, {2.5}, b"x")

JSON with one tag for each type that JSON lacks. An object of a subclass travels as its base class, so that a result
with an `__eq__` of its own arrives as what it really holds. Reading is safe for text of a hostile sender: nothing is
evaluated, nesting and size are capped, and what would make the reader's own sets slow (keys made to collide) is
refused. The file stands alone: it is also sent to remote sandboxes as part of the program.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from types import GeneratorType
from typing import Any

MAX_ANSWER = 4 * 2**20  # bytes of one result
MAX_ITEMS = 10_000  # that are taken from an iterator, which may have no end
MANY, COLLISIONS = 1000, 100  # from so many elements on, so few unequal ones may have the same hash

_ITERATORS: Any = (GeneratorType, map, filter, zip, enumerate, reversed, itertools.chain, type(iter([])))


class Malformed(ValueError):
    """Not a message of this wire, or one beyond its caps."""


def dumps(value: Any, keep: Callable[[Any], int]) -> bytes:
    """A value as bytes. `keep` is asked for the number of an object that is no literal; it may raise instead."""
    return json.dumps(_plain(value, keep), separators=(",", ":")).encode("ascii")


def _plain(value: Any, keep: Callable[[Any], int]) -> Any:
    """A value in terms of JSON. Base classes are asked, never the object's own methods."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        number = int.__add__(value, 0)
        return number if number.bit_length() < 8192 else {"i": hex(number)}
    if isinstance(value, float):
        return float.__add__(value, 0.0)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return [_plain(item, keep) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return {"t": [_plain(item, keep) for item in tuple.__iter__(value)]}
    if isinstance(value, dict):
        return {"d": [[_plain(key, keep), _plain(dict.__getitem__(value, key), keep)] for key in dict.__iter__(value)]}
    if isinstance(value, set):
        return {"s": [_plain(item, keep) for item in set.__iter__(value)]}
    return _rarer(value, keep)


def _rarer(value: Any, keep: Callable[[Any], int]) -> Any:
    if isinstance(value, frozenset):
        return {"f": [_plain(item, keep) for item in frozenset.__iter__(value)]}
    if isinstance(value, bytes):
        return {"b": bytes.hex(value)}
    if isinstance(value, bytearray):
        return {"y": bytearray.hex(value)}
    if isinstance(value, complex):
        return {"c": [value.real, value.imag]}
    if isinstance(value, range):
        return {"r": [_plain(part, keep) for part in (value.start, value.stop, value.step)]}
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist(), keep)
    if isinstance(value, _ITERATORS):
        return {"n": [_plain(item, keep) for item in itertools.islice(value, MAX_ITEMS)]}
    return {"o": [keep(value), type(value).__name__]}


def loads(data: bytes, handle: Callable[[int, str], Any]) -> Any:
    """The value in a message; `handle` stands in for an object that stayed with the sender. Raises Malformed."""

    def read(fields: dict[str, Any]) -> Any:
        if len(fields) != 1:
            raise Malformed("not one tag")
        ((tag, content),) = fields.items()
        if tag == "o":
            number, kind = content
            return handle(int(number), str(kind)[:80])
        return _READERS[tag](content)

    try:
        value = json.loads(data, object_hook=read)
        if len(data) > 10 * MANY:
            _refuse_collisions(value)
        return value
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError, OverflowError) as error:
        raise Malformed(f"{type(error).__name__}: {error}"[:200]) from error


def _set(items: list[Any]) -> set[Any]:
    _check_hashes(items)
    return set(items)


def _frozenset(items: list[Any]) -> frozenset[Any]:
    _check_hashes(items)
    return frozenset(items)


def _dict(pairs: list[Any]) -> dict[Any, Any]:
    _check_hashes([pair[0] for pair in pairs])
    return {key: value for key, value in pairs}


def _complex(parts: list[Any]) -> complex:
    real, imaginary = parts
    return complex(real, imaginary)


def _iterator(items: list[Any]) -> Iterator[Any]:
    return iter(list(items))


_READERS: dict[str, Callable[[Any], Any]] = {
    "t": tuple,
    "d": _dict,
    "s": _set,
    "f": _frozenset,
    "b": bytes.fromhex,
    "y": bytearray.fromhex,
    "c": _complex,
    "i": lambda digits: int(digits, 16),
    "r": lambda parts: range(*parts),
    "n": _iterator,
}


def _refuse_collisions(value: Any) -> None:
    """Lists and tuples too: a test may put them into a set."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, list | tuple):
            _check_hashes(here)
        if isinstance(here, dict):
            waiting.extend(here.values())
        elif isinstance(here, list | tuple | set | frozenset):
            waiting.extend(item for item in here if isinstance(item, list | tuple | dict | set | frozenset))


def _check_hashes(items: Iterable[Any]) -> None:
    """Raise where unequal elements share a hash so often that a set of them would take quadratic time."""
    hashable = [item for item in items if type(item).__hash__ is not None]
    if len(hashable) < MANY:
        return
    try:
        ordered = sorted(((hash(item), index) for index, item in enumerate(hashable)))
    except TypeError:  # a tuple that holds a list: no set can take it either
        return
    for _, group in itertools.groupby(ordered, key=lambda pair: pair[0]):
        members = [hashable[index] for _, index in group]
        if len(members) > COLLISIONS and sum(member != members[0] for member in members) > COLLISIONS:
            raise Malformed("values made to collide in a hash table")
