r"""Sets of real numbers: `(-\infty,1) \cup [3,\infty)`, `\{-1\} \cup [0,7)`, `\mathbb{R} \setminus \{2\}`, and, where
`same_set` allows it, the inequalities that describe them. Two are equal where they hold the same numbers, however they
are cut: `[1,2] \cup [2,3]` is `[1,3]`.
"""

from dataclasses import dataclass
from fractions import Fraction

from rewards.math.answer import Answer, Formula, Parts, Relation
from rewards.math.decision import Decision, Mode
from rewards.math.relations import is_name

_INFINITE = {"\\infty": 1, "+\\infty": 1, "-\\infty": -1}
_BRACKETS = ("()", "[]", "(]", "[)")
_TOLERANCE = Fraction(1, 10**30)


@dataclass(frozen=True, slots=True, order=True)
class _End:
    """An end of an interval. infinite: -1, 0 or 1. above: whether it lies just above its value: the lower end of an
    open interval, the upper end of a closed one."""

    infinite: int
    value: Fraction
    above: bool


_Set = list[tuple[_End, _End]]


def same_set(reference: Answer, answer: Answer, mode: Mode) -> Decision | None:
    """Equality as sets of reals. None where neither side is a union or a difference, where a relation meets a set and
    the mode does not let it, and where one side is no such set.

    A reference that is a set asks for that form: an inequality meets it only if the mode says so. A reference that is
    an inequality asks for no form: the set that it describes meets it too.
    """
    composed = any(isinstance(side, Parts) and side.kind in ("union", "without") for side in (reference, answer))
    relations = _has_relation(reference), _has_relation(answer)
    if relations[1] and mode.strict and not mode.set_relations:
        return None
    if not composed and relations[0] == relations[1]:
        return None
    one, other = _read(reference), _read(answer)
    if one is None or other is None:
        return None
    one, other = _merged(one), _merged(other)
    equal = len(one) == len(other) and all(
        _same_end(a, b) for ours, theirs in zip(one, other, strict=True) for a, b in zip(ours, theirs, strict=True)
    )
    return Decision(equal, "the same set of reals" if equal else "different sets of reals")


def _has_relation(answer: Answer) -> bool:
    return isinstance(answer, Relation) or (
        isinstance(answer, Parts) and answer.kind == "list" and all(isinstance(part, Relation) for part in answer.parts)
    )


def _read(answer: Answer) -> _Set | None:
    if isinstance(answer, Relation):
        return _of_relation(answer)
    if isinstance(answer, Formula):
        return [] if answer.text == "\\emptyset" else None
    if answer.kind == "bracket" and len(answer.parts) == 2 and answer.brackets in _BRACKETS:
        low, high = _end(answer.parts[0], answer.brackets[0] == "("), _end(answer.parts[1], answer.brackets[1] == "]")
        return [(low, high)] if low and high else None
    if answer.kind == "set":
        points = [(_end(part, False), _end(part, True)) for part in answer.parts]
        return [(low, high) for low, high in points if low and high] if all(low for low, _ in points) else None
    either = answer.kind == "list" and any(word in answer.text for word in ("or", "或"))
    if answer.kind == "union" or either:
        pieces = [_read(part) for part in answer.parts]
        return None if None in pieces else [interval for piece in pieces for interval in piece or []]
    if answer.kind == "without" and len(answer.parts) == 2:
        whole, lacking = _read(answer.parts[0]), _read(answer.parts[1])
        return None if whole is None or lacking is None else _without(whole, lacking)
    return None


def _of_relation(relation: Relation) -> _Set | None:
    r"""`x > 3`, `3 \leq x < 5`, `x \neq 2`."""
    lowest, highest = _End(-1, Fraction(0), False), _End(1, Fraction(0), False)
    if len(relation.sides) == 3:
        first, last = (_of_relation(Relation(relation.sides[i : i + 2], relation.signs[i : i + 1])) for i in (0, 1))
        if first is None or last is None or len(first) + len(last) > 2 or not is_name(relation.sides[1]):
            return None
        return [(max(first[0][0], last[0][0]), min(first[0][1], last[0][1]))]
    if len(relation.sides) != 2:
        return None
    (left, right), sign = relation.sides, relation.signs[0]
    if is_name(right) and not is_name(left):
        left, right = right, left
        sign = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq"}.get(sign, sign)
    end = _end(right, sign in (">", "\\leq"))
    if not is_name(left) or end is None or end.infinite:
        return None
    if sign in ("<", "\\leq"):
        return [(lowest, end)]
    if sign in (">", "\\geq"):
        return [(end, highest)]
    if sign == "\\neq":
        return [(lowest, _End(0, end.value, False)), (_End(0, end.value, True), highest)]
    return None


def _end(answer: Answer, above: bool) -> _End | None:
    if not isinstance(answer, Formula):
        return None
    if answer.text in _INFINITE:
        return _End(_INFINITE[answer.text], Fraction(0), False)
    from rewards.math.symbolic import constant

    value = constant(answer.text)
    return None if value is None else _End(0, value, above)


def _merged(intervals: _Set) -> _Set:
    """In order, overlapping and touching ones as one, empty ones dropped."""
    merged: _Set = []
    for low, high in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _without(whole: _Set, lacking: _Set) -> _Set:
    for low, high in _merged(lacking):
        whole = [piece for start, end in whole for piece in ((start, min(end, low)), (max(start, high), end))]
        whole = [(start, end) for start, end in whole if start < end]
    return whole


def _same_end(one: _End, other: _End) -> bool:
    if (one.infinite, one.above) != (other.infinite, other.above):
        return False
    size = max(abs(one.value), abs(other.value), Fraction(1))
    return abs(one.value - other.value) <= _TOLERANCE * size
