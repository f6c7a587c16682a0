"""How large may a parsed formula grow when it is evaluated? Looked at before anything is: sympy's numbers are exact,
and 10^(10^9) is a short formula with a gigabyte of digits.

`too_big` bounds the size of every part from the bottom up, in powers of ten, and stops at the first that is over a cap.
Variables count as about 10.
"""

import math
from typing import Any

from rewards.math.caps import MAX_COUNT, MAX_EXPONENT, MAX_FACTORIAL

MAX_OPERATIONS = 400
MAX_CALCULUS_OPERATIONS = 25  # of a formula with an integral, limit or derivative: those can take any time
MAX_POWER_OF_TEN = 20_000.0


class _TooBig(Exception):
    pass


def too_big(parsed: Any) -> bool:
    """Whether a sympy expression is over a cap: operations, exponents, factorials, binomials, sums, digits."""
    import sympy

    parts = parsed.flat() if isinstance(parsed, sympy.MatrixBase) else [parsed]
    operations = sum(part.count_ops() for part in parts)
    calculus = any(part.has(sympy.Integral, sympy.Limit, sympy.Derivative) for part in parts)
    if operations > (MAX_CALCULUS_OPERATIONS if calculus else MAX_OPERATIONS):
        return True
    try:
        if _terms(parts) > MAX_COUNT:
            return True
        for expression in parts:
            _power_of_ten(expression)
    except _TooBig:
        return True
    return False


def _power_of_ten(expression: Any) -> float:
    """An upper bound of log10 |expression|, at least 0. Raises _TooBig."""
    import sympy

    if expression.is_Number:
        return _of_number(expression)
    parts = [_power_of_ten(argument) for argument in expression.args if isinstance(argument, sympy.Basic)]
    largest = max(parts, default=1.0)
    if expression.is_Pow:
        bound = parts[0] * _count(parts[1], MAX_EXPONENT)
    elif expression.is_Mul:
        bound = sum(parts)
    elif isinstance(expression, sympy.factorial | sympy.gamma | sympy.factorial2 | sympy.subfactorial):
        count = _count(largest, MAX_FACTORIAL)
        bound = count * math.log10(count + 1)
    elif isinstance(expression, sympy.binomial):
        bound = _count(largest, MAX_COUNT)
    elif isinstance(expression, sympy.Sum | sympy.Product):
        limits = [bound for limit in expression.limits for bound in limit[1:] if bound.is_finite]
        counts = [_count(_power_of_ten(bound), MAX_COUNT) for bound in limits]
        bound = parts[0] * max(counts, default=1.0) + 3
    elif isinstance(expression, sympy.exp):
        bound = _count(largest, MAX_EXPONENT)
    else:
        bound = largest + math.log10(max(len(parts), 1))
    if bound > MAX_POWER_OF_TEN:
        raise _TooBig
    return bound


def _terms(expressions: list[Any]) -> float:
    """How many terms all sums and products have together where they stand in each other."""
    import sympy

    terms = 1.0
    for expression in expressions:
        for part in expression.atoms(sympy.Sum, sympy.Product):
            for bound in (bound for limit in part.limits for bound in limit[2:] if bound.is_finite and bound.is_number):
                terms *= _count(_power_of_ten(bound), MAX_COUNT)
    return terms


def _of_number(number: Any) -> float:
    if number.is_Rational:
        return math.log10(max(abs(int(number.p)), int(number.q), 1))
    size = abs(float(number)) if number.is_Float else 1.0
    return max(0.0, math.log10(size)) if math.isfinite(size) and size > 0 else 0.0


def _count(power_of_ten: float, cap: int) -> float:
    """10 to that power as a number to count to."""
    if power_of_ten > math.log10(cap) + 1e-9:
        raise _TooBig
    return 10**power_of_ten
