"""Rational numbers out of formulas, exactly: `\\binom{10}{3}`, `2^{100} + 1`, `100! / 98!`.

For expressions that `size.too_big` let pass: their values have at most some ten thousands of digits.
"""

import math
from fractions import Fraction
from typing import Any

_MAX_DIGITS = 100_000  # of a power, looked at before it is taken


def rational(expression: Any) -> Fraction | None:
    """The value of an expression of rational numbers under + × ^, factorials and binomials; None for any other."""
    import sympy

    if expression.is_Rational:
        return Fraction(int(expression.p), int(expression.q))
    if not (expression.is_Add or expression.is_Mul or expression.is_Pow) and not isinstance(
        expression, sympy.factorial | sympy.binomial
    ):
        return None
    values = [rational(argument) for argument in expression.args]
    known = [value for value in values if value is not None]
    if len(known) != len(values):
        return None
    if expression.is_Add:
        return sum(known, Fraction(0))
    if expression.is_Mul:
        return math.prod(known, start=Fraction(1))
    if expression.is_Pow:
        return _power(*known)
    if any(value.denominator != 1 or value < 0 for value in known):
        return None
    whole = [int(value) for value in known]
    return Fraction(math.factorial(whole[0]) if len(whole) == 1 else math.comb(*whole))


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1 or (base == 0 and exponent < 0):
        return None
    digits = max(abs(base.numerator), base.denominator).bit_length() * abs(exponent)
    return base ** int(exponent) if digits < 4 * _MAX_DIGITS else None
