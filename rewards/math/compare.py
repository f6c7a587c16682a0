r"""When is an answer the reference? Cheapest rule first; the rule that decided is returned for the verdict's detail.

1. the same spelling after `normalize` (`\dfrac12` and `\frac{1}{2}`), words in any case;
2. the same number (exact fractions; rounding policy in `numbers`), the same amount in another unit (`units`), the same
   choice (`text`);
3. the same shape with equal parts (`shapes`): sets and bare lists in any order, tuples, intervals and matrices in
   order; all parts must hold. `x = 5` and `5`, `x \in (0,1)` and `(0,1)` are alike where only one names the variable;
4. the same formula by algebra (`symbolic`).

What graders disagree on is decided in POLICY.md.
"""

from fractions import Fraction

from rewards.math.answer import read_answer
from rewards.math.decision import Decision, Mode, no, yes
from rewards.math.normalize import Normal, read
from rewards.math.numbers import Number, read_number, same_number
from rewards.math.shapes import equal_answers
from rewards.math.text import plain_words, split_choice
from rewards.math.units import Unit, read_unit, without_unit


def decide(reference: str, answer: str, mode: Mode | None = None) -> Decision:
    """Whether they are equal, and the rule that decided."""
    return _decide(read(reference), read(answer), mode or Mode())


def _decide(reference: Normal, answer: Normal, mode: Mode) -> Decision:
    units = read_unit(reference.unit), read_unit(answer.unit)
    if units[0] and units[1] and units[0] != units[1]:
        return _same_amount(reference, answer, units[0], units[1])
    one = without_unit(reference.text, answer.unit) if not reference.unit else reference.text
    other = without_unit(answer.text, reference.unit) if not answer.unit else answer.text
    if one == other and one:
        return yes("same spelling")
    numbers = read_number(one), read_number(other)
    if numbers[0] is not None and numbers[1] is not None:
        if same_number(numbers[0], numbers[1]):
            return yes("equal numbers")
        if not numbers[0].comma and not numbers[1].comma:
            return no("different numbers")
    words = plain_words(one)
    if words and words == plain_words(other) and "\\" not in words:
        return yes("same words")
    choice = _same_choice(one, other, mode)
    return choice if choice is not None else equal_answers(read_answer(one), read_answer(other), mode)


def _same_choice(reference: str, answer: str, mode: Mode) -> Decision | None:
    """Multiple choice, where one side gives a letter with something behind it: all that both give must agree. None
    where this rule has nothing to say."""
    (letter, rest), (other_letter, other_rest) = split_choice(reference), split_choice(answer)
    if not rest and not other_rest and not (letter and other_letter):
        return None
    if letter and other_letter:
        if letter != other_letter:
            return no(f"choice {letter}, not {other_letter}")
        return decide(rest, other_rest, mode) if rest and other_rest else yes("same choice")
    if letter and not rest:
        return None
    return decide(rest or reference, other_rest or answer, mode)


def _same_amount(reference: Normal, answer: Normal, unit: Unit, other: Unit) -> Decision:
    """Amounts in two known units that are not the same one."""
    said = f"{reference.unit} and {answer.unit}"
    if (unit.kind, unit.power) != (other.kind, other.power):
        return no(f"different units: {said}")
    values = _value(reference.text), _value(answer.text)
    if values[0] is None or values[1] is None:
        return no(f"amounts in {said} that are no plain numbers")
    equal = same_number(Number(values[0] * unit.worth), Number(values[1] * other.worth))
    return Decision(equal, f"{'equal' if equal else 'different'} amounts in {said}")


def _value(text: str) -> Fraction | None:
    number = read_number(text)
    return number.value if number else None
