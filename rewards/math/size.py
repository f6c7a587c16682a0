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

    operations = parsed.count_ops()
    calculus = parsed.has(sympy.Integral, sympy.Limit, sympy.Derivative)
    if operations > (MAX_CALCULUS_OPERATIONS if calculus else MAX_OPERATIONS):
        return True
    try:
        for expression in parsed.flat() if hasattr(parsed, "flat") else [parsed]:
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


def _of_number(number: Any) -> float:
    if number.is_Rational:
        return max(len(str(abs(number.p))), len(str(number.q))) if number not in (0, 1, -1) else 0.0
    size = abs(float(number)) if number.is_Float else 1.0
    return max(0.0, math.log10(size)) if math.isfinite(size) and size > 0 else 0.0


def _count(power_of_ten: float, cap: int) -> float:
    """10 to that power as a number to count to. Digits bound it from above: 5,000 has 4 of them, so up to ten times
    the cap passes."""
    if power_of_ten > math.log10(cap) + 1:
        raise _TooBig
    return 10**power_of_ten
