r"""Equality of formulas by algebra: `\frac{x+2}{7}` and `\frac{x}{7}+\frac{2}{7}`.

LaTeX is read by latex2sympy2_extended's own grammar (nothing here evaluates Python: no parse_expr, no sympify of text).
Two expressions are equal where sympy simplifies their difference to zero; where it cannot tell, an evaluation to 50
digits at fixed points must find the difference zero *relative* to the values: 1/2004! is not 1/2006!.
"""

import functools
import re
from fractions import Fraction
from typing import Any

from rewards.math.caps import over_cap
from rewards.math.normalize import to_latex
from rewards.math.numbers import read_number
from rewards.math.size import too_big

_POINTS = ("0.7390851332151607", "1.3247179572447460", "0.2078795763507619")


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
    """The value of a formula without variables to 40 digits, or None."""
    number = read_number(formula)
    if number is not None:
        return number.value
    parsed = parse(formula)
    if parsed is None or getattr(parsed, "free_symbols", True) or not hasattr(parsed, "evalf"):
        return None
    value = _at(parsed, {})
    return Fraction(str(value)) if value is not None and value.is_Float and value.is_real else None


def same_relation(reference: tuple[str, str, str], answer: tuple[str, str, str]) -> bool:
    """Whether two relations (left, sign, right) say the same: for `=` and `\\neq` left − right up to a factor that is
    a number, for inequalities up to a positive one, with the sign turned where the factor is negative."""
    import sympy

    sides = [parse(text) for text in (reference[0], reference[2], answer[0], answer[2])]
    if any(side is None for side in sides) or any(getattr(side, "is_Matrix", False) for side in sides):
        return False
    one, other = sides[0] - sides[1], sides[2] - sides[3]
    if one.free_symbols != other.free_symbols or not one.free_symbols:
        return False
    other_expanded = sympy.expand(other)
    if other_expanded == 0 or sympy.expand(one) == 0:
        return False
    factor = sympy.simplify(one / other)
    if not factor.is_number or factor.is_zero or not factor.is_real:
        return False
    turned = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq"}
    sign = answer[1] if factor.is_positive else turned.get(answer[1], answer[1])
    return sign == reference[1]


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
    kinds = [isinstance(side, sympy.Expr) for side in (one, other)]
    if not all(kinds):
        return False
    difference = (one - other).doit()
    if difference == 0 or sympy.expand(difference) == 0:
        return True
    if not _zero_at_points(difference, one.doit(), other.doit()):
        return False
    if not difference.free_symbols:
        return True  # 50 digits of a constant agree
    return bool(sympy.simplify(difference) == 0) or _positive_equal(difference)


def _zero_at_points(difference: Any, one: Any, other: Any) -> bool:
    """The difference vanishes to 30 digits of the values' own size at fixed positive points."""
    symbols = sorted(difference.free_symbols | one.free_symbols, key=str)
    for shift in range(1 if not symbols else len(_POINTS)):
        values = {s: _POINTS[(i + shift) % len(_POINTS)] for i, s in enumerate(symbols)}
        at = [_at(expression, values) for expression in (difference, one, other)]
        if any(value is None for value in at):
            return False
        size = max(abs(at[1]), abs(at[2]))
        if abs(at[0]) > size * 1e-30:
            return False
    return True


def _at(expression: Any, values: dict[Any, str]) -> Any:
    """The value at a point to 50 digits, or None where it is not a finite number."""
    import sympy

    number = expression.subs({symbol: sympy.Float(text, 60) for symbol, text in values.items()}).evalf(50)
    return number if number.is_number and number.is_finite and not number.has(sympy.zoo, sympy.nan) else None


def _positive_equal(difference: Any) -> bool:
    r"""Equal for positive variables, which is how `\sqrt{1/n}` and `1/\sqrt n` are meant."""
    import sympy

    positive = {symbol: sympy.Symbol(symbol.name, positive=True) for symbol in difference.free_symbols}
    return bool(sympy.simplify(difference.subs(positive)) == 0)
