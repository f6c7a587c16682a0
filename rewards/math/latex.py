r"""LaTeX (and calculator spelling) to sympy, by latex2sympy2_extended's own grammar: nothing here evaluates Python, no
parse_expr and no sympify of text. `e` and `i` are the numbers; an odd root of a negative number is the negative one.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

from rewards.math.caps import over_cap
from rewards.math.size import too_big


def tried(compute: Callable[[], Any]) -> Any:
    """What the parser or sympy computes, or None where it cannot. They are a boundary: on text that was made to confuse
    them they raise errors of every kind, and a formula that they cannot handle must be a wrong one, not one that could
    not be judged."""
    try:
        return compute()
    except MemoryError:
        raise
    except Exception:
        return None


@functools.lru_cache(maxsize=4096)
def parse(formula: str) -> Any:
    """The formula as a sympy expression, or None where it is over a cap or not one."""
    from latex2sympy2_extended import latex2sympy
    from latex2sympy2_extended.math_normalization import NormalizationConfig
    from sympy import Basic, MatrixBase

    if over_cap(formula):
        return None
    latex = to_latex(re.sub(r"\\text\{([a-zA-Z])\}", r"\1", formula))
    reading = NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none")
    parsed = tried(lambda: latex2sympy(latex, normalization_config=reading))
    if not isinstance(parsed, Basic | MatrixBase) or too_big(parsed):
        return None
    return _with_real_roots(_with_constants(parsed))


def _with_constants(parsed: Any) -> Any:
    from sympy import E, I, Symbol

    constants = {Symbol("e"): E, Symbol("i"): I}
    used = {symbol: value for symbol, value in constants.items() if symbol in parsed.free_symbols}
    return parsed.subs(used) if used else parsed


def _with_real_roots(parsed: Any) -> Any:
    def is_odd_root_of_negative(part: Any) -> bool:
        return bool(
            part.is_Pow and part.base.is_negative and part.exp.is_Rational and part.exp.q % 2 and part.exp.q > 1
        )

    from sympy import Pow

    if not parsed.has(Pow):
        return parsed
    return parsed.replace(is_odd_root_of_negative, lambda part: (-1) ** part.exp.p * (-part.base) ** part.exp)


def to_latex(expression: str) -> str:
    r"""Calculator and Python spelling as LaTeX: `-2*pi + exp(16)/3**x` → `-2\cdot \pi +e^{(16)}/3^x`."""
    text = expression.replace("**", "^")
    text = re.sub(r"(?<![\\a-zA-Z])sqrt\s*(?:\(([^()]*)\)|(\d+))", r"\\sqrt{\1\2}", text)
    text = re.sub(r"(?<![\\a-zA-Z])exp\s*\(([^()]*)\)", r"e^{\1}", text)
    text = re.sub(r"(?<![\\a-zA-Z])(sin|cos|tan|log|ln|pi)(?![a-zA-Z])", r"\\\1 ", text)
    text = re.sub(r"\^\s*\(([^()]*)\)", r"^{\1}", text)
    text = re.sub(r"\^\s*(\d{2,})", r"^\1", text)
    return text.replace("*", r"\cdot ")
