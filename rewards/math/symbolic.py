r"""Equality of formulas by algebra: `\frac{x+2}{7}` and `\frac{x}{7}+\frac{2}{7}`.

LaTeX is read by latex2sympy2_extended's own grammar (nothing here evaluates Python: no parse_expr, no sympify of text).
Two expressions are equal where their difference vanishes, to 30 digits of their own size (1/2004! is not 1/2006!), at
fixed points that satisfy no equation with small numbers; where sympy can put no number to one, such as an unknown
function, where their difference expands to zero.
"""

import functools
import re
from fractions import Fraction
from typing import Any

from rewards.math.caps import over_cap
from rewards.math.normalize import to_latex
from rewards.math.numbers import read_number
from rewards.math.size import too_big

_COORDINATES = (
    "0.73908513321516064165531208767387340401341175890076",
    "1.32471795724474602596090885447809734073440405690173",
    "0.20787957635076190854695561983497877003387784163177",
)
_DIGITS = 50
_TOLERANCE = 1e-30


def warm_up() -> None:
    """Import and first use: about half a second, paid before a deadline runs."""
    same_expression(r"\frac{x}{2}+1", r"\frac{x+2}{2}")


def same_expression(reference: str, answer: str) -> bool:
    """Whether two formulas are equal as expressions, in the same variables."""
    one, other = parse(reference), parse(answer)
    if one is None or other is None:
        return False
    return _equal(one, other)


def constant(formula: str) -> Fraction | None:
    """The real value of a formula without variables to 15 digits and more, or None."""
    number = read_number(formula)
    if number is not None:
        return number.value
    parsed = parse(formula)
    if parsed is None or getattr(parsed, "free_symbols", True) or not hasattr(parsed, "evalf"):
        return None
    value = _at(parsed, {})
    return Fraction(str(value.real)) if value is not None and value.imag == 0 else None


def same_relation(reference: tuple[str, str, str], answer: tuple[str, str, str]) -> bool:
    """Whether two relations (left, sign, right) say the same: for `=` and `\\neq` left − right up to a factor that is
    a number, for inequalities up to a positive one, with the sign turned where the factor is negative."""
    sides = [parse(text) for text in (reference[0], reference[2], answer[0], answer[2])]
    if any(side is None or not hasattr(side, "evalf") or getattr(side, "is_Matrix", False) for side in sides):
        return False
    one, other = sides[0] - sides[1], sides[2] - sides[3]
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


@functools.lru_cache(maxsize=4096)
def parse(formula: str) -> Any:
    """The formula as a sympy expression, or None where it is over a cap or not one."""
    from latex2sympy2_extended import latex2sympy
    from latex2sympy2_extended.math_normalization import NormalizationConfig
    from sympy import Basic, E, MatrixBase, Symbol

    if over_cap(formula):
        return None
    latex = to_latex(re.sub(r"\\text\{([a-zA-Z])\}", r"\1", formula))
    reading = NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none")
    try:
        parsed = latex2sympy(latex, normalization_config=reading)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception:  # the parser raises bare Exception for what is not in its grammar, and sympy's for nonsense
        return None
    if not isinstance(parsed, Basic | MatrixBase) or too_big(parsed):
        return None
    return parsed.subs(Symbol("e"), E) if parsed.has(Symbol("e")) else parsed


def _equal(one: Any, other: Any) -> bool:
    import sympy

    if one == other:
        return True
    if not isinstance(one, sympy.Expr) or not isinstance(other, sympy.Expr):
        return False
    try:
        difference = one - other
        zero = _zero_at_points(difference, one, other)
        return zero if zero is not None else bool(sympy.expand(difference.doit()) == 0)
    except (NotImplementedError, ArithmeticError):  # a formula that sympy can put no number to is equal to nothing
        return False


def _zero_at_points(difference: Any, one: Any, other: Any) -> bool | None:
    """Whether the difference vanishes to 30 digits of the values' own size at every point; None where something has no
    value there, such as an unknown function."""
    import sympy

    steps = (sympy.Abs, sympy.sign, sympy.floor, sympy.ceiling, sympy.Max, sympy.Min)
    for point in _points(one.free_symbols | other.free_symbols, signed=difference.has(*steps)):
        values = [_at(expression, point) for expression in (difference, one, other)]
        if values[0] is None or values[1] is None or values[2] is None:
            return None
        if abs(values[0]) > max(abs(values[1]), abs(values[2])) * _TOLERANCE:
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
    import mpmath  # type: ignore[import-untyped]

    number = expression.subs(point).evalf(_DIGITS)
    if not number.is_number or number.is_finite is not True:
        return None
    real, imaginary = number.as_real_imag()
    if not (real.is_Float or real.is_Rational) or not (imaginary.is_Float or imaginary.is_Rational):
        return None
    with mpmath.workdps(_DIGITS):
        return mpmath.mpc(str(real), str(imaginary))
