r"""When is an answer the reference? Cheapest rule first; the rule that decided is returned for the verdict's detail.

1. the same spelling after `normalize` (`\dfrac12` and `\frac{1}{2}`), words in any case;
2. the same number (exact fractions; rounding policy in `numbers`);
3. the same shape with equal parts: sets and bare lists in any order, tuples, intervals and matrices in order; all
   parts must hold. `x = 5` and `5`, `x \in (0,1)` and `(0,1)` are alike where only one names the variable;
4. the same formula by algebra (`symbolic`).

A chain in an answer (`x = 2+3 = 5`) is worth its last side, and nothing where two numbers in it differ (`41 = 42`).
"""

import re
from collections.abc import Callable

from rewards.math.answer import Answer, Formula, Parts, Relation, read_answer
from rewards.math.normalize import normalize, plain_words
from rewards.math.numbers import FEWEST_PLACES, Number, read_number, same_number

_BASE = re.compile(r"(\d+)_\{?\s*(?:\\text\{)?(\d+|[a-z]+)\}?\}?")
_NAME = re.compile(r"\\?[a-zA-Z]+(?:_\{?\w+\}?)?(?:\([\w,]+\))?")
_FLIPPED = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq", "=": "=", "\\neq": "\\neq"}


def decide(reference: str, answer: str) -> tuple[bool, str]:
    """Whether they are equal, and the rule that decided."""
    one, other = normalize(reference), normalize(answer)
    if one == other and one:
        return True, "same spelling"
    numbers = read_number(one), read_number(other)
    if numbers[0] is not None and numbers[1] is not None:
        equal = same_number(numbers[0], numbers[1])
        return equal, "equal numbers" if equal else "different numbers"
    if plain_words(one) == plain_words(other) and plain_words(one) and "\\" not in plain_words(one):
        return True, "same words"
    return (True, "equal") if equal_answers(read_answer(reference), read_answer(answer)) else (False, "not equal")


def equal_answers(reference: Answer, answer: Answer) -> bool:
    """Equality of shapes (rule 3), down to formulas."""
    reference, answer = _unnamed(reference, answer)
    if isinstance(answer, Relation) and answer.signs == ("\\approx",) and not isinstance(reference, Relation):
        return _close(*answer.sides) and any(equal_answers(reference, side) for side in answer.sides)
    if isinstance(reference, Relation) and isinstance(answer, Relation):
        return _same_relation(reference, answer)
    if isinstance(reference, Relation) or isinstance(answer, Relation):
        return False
    if isinstance(reference, Parts) and isinstance(answer, Parts):
        return _same_parts(reference, answer)
    if isinstance(reference, Parts) or isinstance(answer, Parts):
        lone, parts = (answer, reference) if isinstance(reference, Parts) else (reference, answer)
        assert isinstance(parts, Parts)
        return parts.kind == "set" and len(parts.parts) == 1 and equal_answers(parts.parts[0], lone)
    return _same_formula(reference.text, answer.text)


def _unnamed(reference: Answer, answer: Answer) -> tuple[Answer, Answer]:
    """Take `x =` or `x \\in` off where only one side of the comparison has it, and shorten chains."""
    reference, answer = _shortened(reference), _shortened(answer)
    if isinstance(answer, Relation) and not isinstance(reference, Relation):
        answer = _value(answer, parts_too=True)
    elif isinstance(reference, Relation) and not isinstance(answer, Relation):
        reference = _value(reference, parts_too=False)
    return reference, answer


def _shortened(answer: Answer) -> Answer:
    """A chain of equalities as its first and last side, where its numbers agree; unchanged where they do not."""
    if not isinstance(answer, Relation) or set(answer.signs) != {"="} or len(answer.sides) < 3:
        return answer
    return Relation((answer.sides[0], answer.sides[-1]), ("=",))


def _value(relation: Relation, parts_too: bool) -> Answer:
    """What a relation says its name or left formula is: `x = 5` → 5. Two different numbers are no value."""
    if len(relation.signs) != 1 or relation.signs[0] not in ("=", "\\in", "\\approx"):
        return relation
    left, right = relation.sides
    named = _is_name(left) or (isinstance(left, Parts) and all(_is_name(part) for part in left.parts))
    if named:
        return right
    if not parts_too or not isinstance(left, Formula) or relation.signs[0] != "=":
        return relation
    numbers = read_number(left.text), read_number(right.text) if isinstance(right, Formula) else None
    if numbers[0] is not None and (numbers[1] is None or not same_number(numbers[0], numbers[1])):
        return relation
    # `11a + c = 7` states no value of an unknown; `\sqrt{4} = 2` and `\binom{5}{2} = 10` do.
    return right if not re.search(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])", left.text) else relation


def _is_name(answer: Answer) -> bool:
    return isinstance(answer, Formula) and _NAME.fullmatch(answer.text) is not None


def _same_parts(reference: Parts, answer: Parts) -> bool:
    if reference.kind == answer.kind == "bracket":
        same_brackets = reference.brackets == answer.brackets
        return same_brackets and _in_order(reference.parts, answer.parts)
    if reference.kind == answer.kind == "matrix":
        return reference.brackets == answer.brackets != "-1" and _in_order(reference.parts, answer.parts)
    if reference.kind == answer.kind == "sequence":
        return _in_order(reference.parts, answer.parts)
    # A list of tuples is a set of solutions: one found twice is one.
    unordered = {"list", "set", "union"}
    if reference.kind in unordered and answer.kind in unordered:
        return _in_any_order(_distinct(reference), _distinct(answer), equal_answers)
    if {reference.kind, answer.kind} == {"list", "bracket"}:  # `1, 2` and `(1, 2)`
        bracket = reference if reference.kind == "bracket" else answer
        return bracket.brackets == "()" and _in_order(reference.parts, answer.parts)
    return False


def _in_order(one: tuple[Answer, ...], other: tuple[Answer, ...]) -> bool:
    return len(one) == len(other) and all(equal_answers(a, b) for a, b in zip(one, other, strict=True))


def _distinct(parts: Parts) -> list[Answer]:
    solutions = all(isinstance(part, Parts) and part.kind == "bracket" for part in parts.parts)
    return list(dict.fromkeys(parts.parts)) if parts.kind == "set" or solutions else list(parts.parts)


def _close(one: Answer, other: Answer) -> bool:
    """Whether an approximation is one: two sides that differ by more than 1 % are two answers."""
    if not isinstance(one, Formula) or not isinstance(other, Formula):
        return False
    from rewards.math.symbolic import constant

    values = constant(one.text), constant(other.text)
    if values[0] is None or values[1] is None:
        return False
    return abs(values[0] - values[1]) <= max(abs(values[0]), abs(values[1])) / 100


def _in_any_order(one: list[Answer], other: list[Answer], same: Callable[[Answer, Answer], bool]) -> bool:
    if len(one) != len(other):
        return False
    rest = list(other)
    for part in one:
        match = next((candidate for candidate in rest if same(part, candidate)), None)
        if match is None:
            return False
        rest.remove(match)
    return True


def _same_relation(reference: Relation, answer: Relation) -> bool:
    if len(reference.sides) != len(answer.sides):
        return False
    for sides, signs in ((answer.sides, answer.signs), _reversed(answer)):
        if signs == reference.signs and _in_order(reference.sides, sides):
            return True
    if len(reference.signs) != 1 or not all(isinstance(s, Formula) for s in (*reference.sides, *answer.sides)):
        return False
    from rewards.math.symbolic import same_relation

    left, right = (s.text for s in reference.sides if isinstance(s, Formula))
    answer_left, answer_right = (s.text for s in answer.sides if isinstance(s, Formula))
    if _is_name(reference.sides[0]) and _is_name(answer.sides[0]) and reference.signs == answer.signs == ("=",):
        return left == answer_left and _same_formula(right, answer_right)
    return same_relation((left, reference.signs[0], right), (answer_left, answer.signs[0], answer_right))


def _reversed(relation: Relation) -> tuple[tuple[Answer, ...], tuple[str, ...]]:
    signs = tuple(_FLIPPED.get(sign, sign) for sign in reversed(relation.signs))
    return tuple(reversed(relation.sides)), signs


def _same_formula(reference: str, answer: str) -> bool:
    if reference == answer:
        return bool(reference)
    numbers = read_number(reference), read_number(answer)
    if numbers[0] is not None and numbers[1] is not None:
        return same_number(numbers[0], numbers[1])
    bases = _BASE.fullmatch(reference), _BASE.fullmatch(answer)
    if bases[0] or bases[1]:
        return bool(bases[0] and bases[1] and bases[0].groups() == bases[1].groups())
    if plain_words(reference) == plain_words(answer) and not re.search(r"[\\^_]", plain_words(reference)):
        return True
    if _is_text(reference) or _is_text(answer) or not reference or not answer:
        return False
    from rewards.math.symbolic import constant, same_expression

    number, formula = (numbers[0], answer) if numbers[0] is not None else (numbers[1], reference)
    if number is not None and number.places >= FEWEST_PLACES:
        value = constant(formula)
        return value is not None and same_number(number, Number(value))
    return same_expression(reference, answer)


def _is_text(formula: str) -> bool:
    r"""Words rather than mathematics: `\text{even}`, `Evelyn`, `12:00`."""
    bare = re.sub(r"\\[a-zA-Z]+\s*", " ", re.sub(r"\\text\{([a-zA-Z])\}", r"\1", formula))
    known = re.sub(r"(?<![a-zA-Z])(?:sqrt|exp|log|ln|sin|cos|tan|pi)(?![a-zA-Z])", "", bare)
    return "\\text" in re.sub(r"\\text\{[a-zA-Z]\}", "", formula) or bool(re.search(r"[a-zA-Z]{4,}|\d:\d", known))
