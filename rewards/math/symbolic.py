r"""Equality of formulas by algebra: `\frac{x+2}{7}` and `\frac{x}{7}+\frac{2}{7}`.

Rational numbers are compared exactly (100! is not 100! + 1). Other expressions are equal where their difference
vanishes, to 30 digits of their own size (60 for constants; 1/2004! is not 1/2006!), at fixed points that satisfy no
equation with small numbers; where sympy can put no number to one, such as an unknown function, where their difference
expands to zero.
"""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from rewards.math.caps import over_cap
from rewards.math.decision import Decision, Mode, no, yes
from rewards.math.latex import parse, tried
from rewards.math.numbers import read_number
from rewards.math.rational import rational

_COORDINATES = (
    "0.73908513321516064165531208767387340401341175890076",
    "1.32471795724474602596090885447809734073440405690173",
    "0.20787957635076190854695561983497877003387784163177",
)
_DIGITS = 50
_TOLERANCE, _TOLERANCE_OF_CONSTANTS = 1e-30, 1e-60


def warm_up() -> None:
    """Import and first use: about half a second, paid before a deadline runs."""
    same_expression(r"\frac{x}{2}+1", r"\frac{x+2}{2}", Mode())


def same_expression(reference: str, answer: str, mode: Mode) -> Decision:
    """Whether two formulas are equal as expressions, in the same variables (not strict: whatever they are called)."""
    one, other = parse(reference), parse(answer)
    for side, parsed, text in (("reference", one, reference), ("answer", other, answer)):
        if parsed is None:
            return no(f"the {side} is " + (over_cap(text) or "no formula that can be read or that is small enough"))
    if _equal(one, other) or (not mode.strict and any(_equal(one, renamed) for renamed in _renamed(one, other))):
        return yes("equal by algebra")
    return no("different formulas")


def _renamed(one: Any, other: Any) -> Iterator[Any]:
    """The second with its variables called as in the first, in every assignment of up to three."""
    names, others = (sorted(parsed.free_symbols, key=str) for parsed in (one, other))
    if len(names) == len(others) <= 3:
        for order in itertools.permutations(names):
            yield other.subs(dict(zip(others, order, strict=True)), simultaneous=True)


def constant(formula: str) -> Fraction | None:
    """The real value of a formula without variables to 45 digits, or None."""
    number = read_number(formula)
    if number is not None:
        return number.value
    parsed = parse(formula)
    if parsed is None or getattr(parsed, "free_symbols", True) or not hasattr(parsed, "evalf"):
        return None
    value = _at(parsed, {})
    if value is None or value.imag != 0:
        return None
    import mpmath  # type: ignore[import-untyped]

    return Fraction(mpmath.nstr(value.real, _DIGITS - 5))


def same_relation(reference: tuple[str, str, str], answer: tuple[str, str, str]) -> bool:
    """Whether two relations (left, sign, right) say the same: for `=` and `\\neq` left − right up to a factor that is
    a number, for inequalities up to a positive one, with the sign turned where the factor is negative."""
    sides = [parse(text) for text in (reference[0], reference[2], answer[0], answer[2])]
    if any(side is None or not hasattr(side, "evalf") or getattr(side, "is_Matrix", False) for side in sides):
        return False
    one, other = tried(lambda: sides[0] - sides[1]), tried(lambda: sides[2] - sides[3])
    if one is None or other is None:
        return False
    symbols = one.free_symbols
    if symbols != other.free_symbols or not symbols:
        return False
    factors = []
    for point in _points(symbols, signed=True):
        values = _at(one, point), _at(other, point)
        if values[0] is None or values[1] is None or values[1] == 0:
            return False
        factors.append(values[0] / values[1])
    if any(abs(factor - factors[0]) > abs(factors[0]) * _TOLERANCE for factor in factors) or factors[0].imag != 0:
        return False
    turned = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq"}
    sign = answer[1] if factors[0].real > 0 else turned.get(answer[1], answer[1])
    return factors[0] != 0 and sign == reference[1]


def _equal(one: Any, other: Any) -> bool:
    import sympy

    if any(side.has(sympy.zoo, sympy.nan) for side in (one, other)):
        return False
    if one == other:
        return True
    if isinstance(one, sympy.MatrixBase | sympy.MatrixExpr) and isinstance(other, sympy.MatrixBase | sympy.MatrixExpr):
        return _equal_matrices(tried(one.doit), tried(other.doit))
    if not isinstance(one, sympy.Expr) or not isinstance(other, sympy.Expr):
        return False
    if any(_has_open_sum(side) for side in (one, other)):
        # sympy puts numbers to a sum up to 0.739 by methods that take seconds: closed forms are compared instead
        one, other = tried(one.doit) or one, tried(other.doit) or other
        if any(_has_open_sum(side) for side in (one, other)):
            return tried(lambda: sympy.expand(one - other)) == 0
    exact = rational(one), rational(other)
    if exact[0] is not None and exact[1] is not None:
        return exact[0] == exact[1]
    difference = tried(lambda: one - other)
    if difference is None:
        return False
    zero = _zero_at_points(difference, one, other)
    return zero if zero is not None else tried(lambda: sympy.expand(difference.doit())) == 0


def _equal_matrices(one: Any, other: Any) -> bool:
    if not hasattr(one, "flat") or not hasattr(other, "flat") or one.shape != other.shape:
        return False
    return all(_equal(a, b) for a, b in zip(one.flat(), other.flat(), strict=True))


def _has_open_sum(expression: Any) -> bool:
    """Whether it holds a sum or product to a bound that is no number."""
    import sympy

    sums = expression.atoms(sympy.Sum, sympy.Product) if expression.has(sympy.Sum, sympy.Product) else ()
    return any(bound.free_symbols for part in sums for limit in part.limits for bound in limit[1:])


def _zero_at_points(difference: Any, one: Any, other: Any) -> bool | None:
    """Whether the difference vanishes to 30 digits of the values' own size at every point; None where something has no
    value there, such as an unknown function."""
    import sympy

    steps = (sympy.Abs, sympy.sign, sympy.floor, sympy.ceiling, sympy.Max, sympy.Min)
    symbols = one.free_symbols | other.free_symbols
    tolerance = _TOLERANCE if symbols else _TOLERANCE_OF_CONSTANTS
    for point in _points(symbols, signed=difference.has(*steps)):
        values = [_at(expression, point) for expression in (difference, one, other)]
        if values[0] is None or values[1] is None or values[2] is None:
            return None
        if abs(values[0]) > max(abs(values[1]), abs(values[2])) * tolerance:
            return False
    return True


def _points(symbols: set[Any], signed: bool) -> list[dict[Any, Any]]:
    r"""Points without any algebraic accident. All variables positive, as `\sqrt{1/n} = 1/\sqrt n` is meant; `signed`
    adds points with negative ones and far ones."""
    import sympy

    ordered = sorted(symbols, key=str)
    if not ordered:
        return [{}]
    points = []
    for shift in range(len(_COORDINATES)):
        for scale in (1, -1, 100, -100) if signed else (1,):
            coordinates = [_COORDINATES[(i + shift) % len(_COORDINATES)] for i in range(len(ordered))]
            shifted = [
                sympy.Float(text, _DIGITS + 10) * scale + i // len(_COORDINATES) for i, text in enumerate(coordinates)
            ]
            points.append(dict(zip(ordered, shifted, strict=True)))
    return points


def _at(expression: Any, point: dict[Any, Any]) -> Any:
    """The value at a point as an mpmath complex number of 50 digits, or None where it is not a finite number."""
    import mpmath

    number = tried(lambda: expression.subs(point).evalf(_DIGITS))
    if number is None or not number.is_number or number.is_finite is not True:
        return None
    real, imaginary = tried(number.as_real_imag) or (None, None)
    if real is None or imaginary is None:
        return None
    if not (real.is_Float or real.is_Rational) or not (imaginary.is_Float or imaginary.is_Rational):
        return None
    with mpmath.workdps(_DIGITS):
        return mpmath.mpc(str(real), str(imaginary))
