r"""Equality of shapes, down to formulas: lists, sets, tuples, intervals, matrices, relations."""

import re
from collections.abc import Callable

from rewards.math.answer import Answer, Formula, Parts, Relation
from rewards.math.bases import read_based, value_of
from rewards.math.decision import Decision, Mode, no, yes
from rewards.math.intervals import same_set
from rewards.math.numbers import FEWEST_PLACES, Number, read_number, same_number
from rewards.math.relations import base_letter, close, is_name, same_relation, unnamed
from rewards.math.text import is_text, plain_words

_ANY_ORDER = {"list", "set", "union"}
_IN_ORDER = {"bracket", "sequence", "matrix"}


def equal_answers(reference: Answer, answer: Answer, mode: Mode) -> Decision:
    """Equality of shapes: every part must hold."""
    reference, answer = unnamed(reference, answer)
    if isinstance(answer, Relation) and answer.signs == ("\\approx",) and not isinstance(reference, Relation):
        if not close(*answer.sides):
            return no("an approximation that is none")
        return _first_that_holds(answer.sides, lambda side: equal_answers(reference, side, mode))
    if isinstance(reference, Relation) and isinstance(answer, Relation):
        return same_relation(reference, answer, mode, equal_answers)
    as_sets = same_set(reference, answer, mode)
    if as_sets is not None:
        return as_sets
    if isinstance(reference, Relation) or isinstance(answer, Relation):
        return no(f"{_kind(reference)} against {_kind(answer)}")
    if isinstance(reference, Parts) and isinstance(answer, Parts):
        return _same_parts(reference, answer, mode)
    if isinstance(reference, Parts):
        return _lone(answer, reference, mode)
    if isinstance(answer, Parts):
        return _lone(reference, answer, mode)
    return _same_formula(reference.text, answer.text, mode)


def _kind(answer: Answer) -> str:
    if isinstance(answer, Parts):
        return f"a {answer.kind} of {len(answer.parts)}"
    return "a relation" if isinstance(answer, Relation) else "one value"


def _first_that_holds(sides: tuple[Answer, ...], holds: Callable[[Answer], Decision]) -> Decision:
    decisions = [holds(side) for side in sides]
    return next((decision for decision in decisions if decision), decisions[-1])


def _lone(lone: Answer, parts: Parts, mode: Mode) -> Decision:
    """One value against several: a set of one, the same value said again in another form (`15\\frac{1}{2}, or
    \\frac{31}{2}`), or a matrix that is the result of a calculation."""
    if parts.kind == "matrix" and isinstance(lone, Formula) and "\\begin" in lone.text:
        from rewards.math.symbolic import same_expression

        return same_expression(parts.text, lone.text, mode)
    if parts.kind == "set" and len(parts.parts) == 1:
        return equal_answers(parts.parts[0], lone, mode)
    if parts.kind == "list" and all(isinstance(part, Formula) for part in parts.parts):
        if all(equal_answers(lone, part, mode) for part in parts.parts):
            return yes("the same value in several forms")
        return no(f"one value against a list of {len(parts.parts)}")
    return no(f"one value against {_kind(parts)}")


def _same_parts(reference: Parts, answer: Parts, mode: Mode) -> Decision:
    one, other = reference.kind, answer.kind
    if one == other and one in _IN_ORDER:
        if reference.brackets != answer.brackets or reference.brackets == "-1":
            return no("different shapes" if one == "matrix" else f"brackets {reference.brackets}, {answer.brackets}")
        return _in_order(reference.parts, answer.parts, mode)
    if one == other == "without":
        return _in_order(reference.parts, answer.parts, mode)
    if one in _ANY_ORDER and other in _ANY_ORDER:
        if _names_are_stated_once(reference, answer):
            return _in_order(reference.parts, answer.parts, mode)
        return _in_any_order(_distinct(reference), _distinct(answer), mode)
    bracket = reference if one == "bracket" else answer
    if {one, other} in ({"list", "bracket"}, {"list", "sequence"}):  # `1, 2` and `(1, 2)`
        if bracket.kind == "bracket" and bracket.brackets != "()":
            return no(f"a list against brackets {bracket.brackets}")
        return _in_order(reference.parts, answer.parts, mode)
    if not mode.strict:
        ordered = one in _IN_ORDER and other in _IN_ORDER
        return (_in_order if ordered else _in_any_order)(reference.parts, answer.parts, mode)
    return no(f"{_kind(reference)} against {_kind(answer)}")


def _in_order(one: tuple[Answer, ...], other: tuple[Answer, ...], mode: Mode) -> Decision:
    if len(one) != len(other):
        return no(f"{len(one)} parts against {len(other)}")
    for index, (part, candidate) in enumerate(zip(one, other, strict=True), 1):
        decision = equal_answers(part, candidate, mode)
        if not decision:
            return no(f"part {index} of {len(one)}: {decision.why}")
    return yes(f"{len(one)} equal parts in order")


def _in_any_order(one: tuple[Answer, ...], other: tuple[Answer, ...], mode: Mode) -> Decision:
    if len(one) != len(other):
        return no(f"{len(one)} parts against {len(other)}")
    rest = list(other)
    for index, part in enumerate(one, 1):
        match = next((candidate for candidate in rest if equal_answers(part, candidate, mode)), None)
        if match is None:
            return no(f"part {index} of the reference is not in the answer")
        rest.remove(match)
    return yes(f"{len(one)} equal parts in any order")


def _names_are_stated_once(reference: Parts, answer: Parts) -> bool:
    """Whether one side names what its parts are (`x = 1, y = 2`) and the other does not: then its order speaks. The
    same letter again (`x = 1, x = 2`, `x_1 = 1, x_2 = 2`) names alternatives."""
    named = [_names(parts) for parts in (reference, answer)]
    return sorted(len(names) for names in named)[0] == 0 and any(len(set(names)) > 1 for names in named)


def _names(parts: Parts) -> list[str]:
    relations = [part for part in parts.parts if isinstance(part, Relation) and is_name(part.sides[0])]
    if len(relations) != len(parts.parts):
        return []
    return [base_letter(part.sides[0]) for part in relations]


def _distinct(parts: Parts) -> tuple[Answer, ...]:
    """A list of tuples is a set of solutions: one found twice is one."""
    solutions = all(isinstance(part, Parts) and part.kind == "bracket" for part in parts.parts)
    return tuple(dict.fromkeys(parts.parts)) if parts.kind == "set" or solutions else parts.parts


def _same_formula(reference: str, answer: str, mode: Mode) -> Decision:
    if reference == answer:
        return Decision(bool(reference), "same spelling")
    numbers = read_number(reference), read_number(answer)
    if numbers[0] is not None and numbers[1] is not None:
        equal = same_number(numbers[0], numbers[1])
        return Decision(equal, "equal numbers" if equal else "different numbers")
    based = _same_based(reference, answer, numbers, mode)
    if based is not None:
        return based
    words = plain_words(reference)
    if words == plain_words(answer) and not re.search(r"[\\^_]", words):
        return yes("same words")
    if is_text(reference) or is_text(answer) or not reference or not answer:
        return no("different words")
    if mode.strict and is_name(Formula(reference)) and is_name(Formula(answer)):
        same = re.sub("[{}]", "", reference) == re.sub("[{}]", "", answer)
        return Decision(same, "same name" if same else "different names")
    from rewards.math.symbolic import constant, same_expression

    number, formula = (numbers[0], answer) if numbers[0] is not None else (numbers[1], reference)
    if number is not None and number.places >= FEWEST_PLACES:
        value = constant(formula)
        equal = value is not None and same_number(number, Number(value))
        return Decision(equal, f"a decimal that {'is' if equal else 'is not'} the value rounded")
    return same_expression(reference, answer, mode)


def _same_based(one: str, other: str, numbers: tuple[Number | None, Number | None], mode: Mode) -> Decision | None:
    """Numbers in other bases: the base is part of the form. None where neither side has one."""
    based = read_based(one), read_based(other)
    if based[0] is None and based[1] is None:
        return None
    if based[0] == based[1]:
        return yes("same digits in the same base")
    if mode.strict:
        return no("another number or another base")
    values = [value_of(b) if b else n.value if n else None for b, n in zip(based, numbers, strict=True)]
    return Decision(values[0] is not None and values[0] == values[1], "values of numbers in other bases")
