r"""Equations and inequalities: `x = 5`, `2x + 4y - 3 = 0`, `1 < x \leq 3`, and chains such as `x = 2+3 = 5`.

A chain in an answer is worth its last side, and nothing where its first and last are numbers that differ (`41 = 42`).
"""

import re
from collections.abc import Callable

from rewards.math.answer import Answer, Formula, Parts, Relation
from rewards.math.decision import Decision, Mode, no, yes
from rewards.math.numbers import read_number, same_number

Same = Callable[[Answer, Answer, Mode], Decision]

_NAME = re.compile(r"\\?[a-zA-Z]+'?(?:_\{?\w+\}?)?(?:\([\w,]+\))?")
_FLIPPED = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq", "=": "=", "\\neq": "\\neq"}


def is_name(answer: Answer) -> bool:
    """Whether it is nothing but a name: `x`, `a_1`, `f(x)`."""
    return isinstance(answer, Formula) and _NAME.fullmatch(answer.text) is not None


def base_letter(name: Answer) -> str:
    r"""`x_1` and `x_{2}` are both `x`."""
    return name.text.partition("_")[0] if isinstance(name, Formula) else ""


def unnamed(reference: Answer, answer: Answer) -> tuple[Answer, Answer]:
    """Take `x =` or `x \\in` off where only one side of the comparison has it, and shorten chains."""
    reference, answer = _shortened(reference), _shortened(answer)
    if isinstance(answer, Relation) and not isinstance(reference, Relation):
        answer = _value(answer, of_answer=True)
    elif isinstance(reference, Relation) and not isinstance(answer, Relation):
        reference = _value(reference, of_answer=False)
    elif isinstance(reference, Relation) and isinstance(answer, Relation):
        return _members_of(reference, answer), _members_of(answer, reference)
    return reference, answer


def _members_of(relation: Relation, other: Relation) -> Answer:
    """`x \\in S` as S, where the other side says something else of the same x."""
    if relation.signs != ("\\in",) or "\\in" in other.signs or "=" in other.signs:
        return relation
    return relation.sides[1] if is_name(relation.sides[0]) and relation.sides[0] in other.sides else relation


def _shortened(answer: Answer) -> Answer:
    """A chain of equalities as its first and last side."""
    if not isinstance(answer, Relation) or set(answer.signs) != {"="} or len(answer.sides) < 3:
        return answer
    return Relation((answer.sides[0], answer.sides[-1]), ("=",))


def _value(relation: Relation, of_answer: bool) -> Answer:
    """What a relation says its name or left formula is: `x = 5` → 5. Two different numbers are no value."""
    if len(relation.signs) != 1 or relation.signs[0] not in ("=", "\\in", "\\approx"):
        return relation
    left, right = relation.sides
    if is_name(left) or (isinstance(left, Parts) and all(is_name(part) for part in left.parts)):
        return right
    if not of_answer or not isinstance(left, Formula) or relation.signs[0] != "=":
        return relation
    numbers = read_number(left.text), read_number(right.text) if isinstance(right, Formula) else None
    if numbers[0] is not None and (numbers[1] is None or not same_number(numbers[0], numbers[1])):
        return relation
    # `11a + c = 7` states no value of an unknown; `\sqrt{4} = 2` and `\binom{5}{2} = 10` do.
    return right if not re.search(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])", left.text) else relation


def close(one: Answer, other: Answer) -> bool:
    """Whether an approximation is one: two sides that differ by more than 1 % are two answers."""
    if not isinstance(one, Formula) or not isinstance(other, Formula):
        return False
    from rewards.math.symbolic import constant

    values = constant(one.text), constant(other.text)
    if values[0] is None or values[1] is None:
        return False
    return abs(values[0] - values[1]) <= max(abs(values[0]), abs(values[1])) / 100


def same_relation(reference: Relation, answer: Relation, mode: Mode, same: Same) -> Decision:
    """The same sides and signs, from either end; else the same by algebra."""
    if len(reference.sides) != len(answer.sides):
        return no(f"a relation of {len(reference.sides)} sides against one of {len(answer.sides)}")
    for sides, signs in ((answer.sides, answer.signs), _reversed(answer)):
        if signs == reference.signs and all(same(a, b, mode) for a, b in zip(reference.sides, sides, strict=True)):
            return yes("the same relation, side by side")
    if len(reference.signs) != 1:
        return no("relations with different sides or signs")
    return _by_algebra(reference, answer, mode, same)


def _by_algebra(reference: Relation, answer: Relation, mode: Mode, same: Same) -> Decision:
    if _solved(reference):
        # `2x = 10` says the same as `x = 5`, and may be the question: a solution must be one.
        if not _solved(answer):
            return no("the reference is solved for its unknown, the answer is not")
        reference, answer = _name_first(reference), _name_first(answer)
        if reference.signs != answer.signs:
            return no(f"{reference.signs[0]} against {answer.signs[0]}")
        if mode.strict and reference.sides[0] != answer.sides[0]:
            return no("different names")
        return same(reference.sides[1], answer.sides[1], mode)
    sides = [side.text for side in (*reference.sides, *answer.sides) if isinstance(side, Formula)]
    if len(sides) != 4:
        return no("relations with different sides")
    from rewards.math.symbolic import same_relation

    if is_name(reference.sides[0]) and is_name(answer.sides[0]) and reference.signs == answer.signs == ("=",):
        if mode.strict and sides[0] != sides[2]:
            return no("different names")
        return same(reference.sides[1], answer.sides[1], mode)
    equal = same_relation((sides[0], reference.signs[0], sides[1]), (sides[2], answer.signs[0], sides[3]))
    return Decision(equal, "relations that are the same by algebra" if equal else "different relations")


def _solved(relation: Relation) -> bool:
    """A name on one side and no unknown on the other: `x = 5`, `3 > x`."""
    first, last = _name_first(relation).sides
    if not is_name(first):
        return False
    texts = [last.text] if isinstance(last, Formula) else []
    return bool(texts) and not re.search(r"(?<![\\a-zA-Z])[a-df-hj-zA-Z](?![a-zA-Z])", texts[0])


def _name_first(relation: Relation) -> Relation:
    if len(relation.sides) == 2 and is_name(relation.sides[1]) and not is_name(relation.sides[0]):
        sides, signs = _reversed(relation)
        return Relation(sides, signs)
    return relation


def _reversed(relation: Relation) -> tuple[tuple[Answer, ...], tuple[str, ...]]:
    signs = tuple(_FLIPPED.get(sign, sign) for sign in reversed(relation.signs))
    return tuple(reversed(relation.sides)), signs
