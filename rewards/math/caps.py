r"""What a formula may ask for before sympy sees it: sizes that keep any evaluation within milliseconds to seconds.

`9^{9^{9}}`, `(10^6)!` or a sum to 10^9 are legal LaTeX and would occupy a machine for good. A formula over a cap is not
evaluated: it is equal to its own spelling and to nothing else. The worker's deadline is the second line.
"""

import re

MAX_FORMULA = 600  # characters
MAX_DEPTH = 24  # of nested braces or brackets
MAX_NUMBER_DIGITS = 100  # of one number literal
MAX_EXPONENT = 5_000  # of a number literal in an exponent
MAX_TOWER = 2  # of exponents over exponents
MAX_FACTORIAL = 3_000
MAX_COUNT = 1_000  # of what \sum, \prod, \binom are given

_DIGITS = re.compile(r"\d+")
_EXPONENT = re.compile(r"\^\s*\{?\s*[-+]?\s*(\d+)")
_FACTORIAL = re.compile(r"(\d+)\s*[)}]*\s*!")
_MATRIX_POWER = re.compile(r"\\end\{\w*\}\s*\\?(?:right)?[)\]}]*\s*\^")
_COUNTED = re.compile(r"\\(?:sum|prod|binom|dbinom|tbinom|int|lim)(?![a-zA-Z])")


def over_cap(formula: str) -> str | None:
    """The cap that a formula exceeds, in words, or None."""
    if len(formula) > MAX_FORMULA:
        return f"longer than {MAX_FORMULA} characters"
    if _depth(formula) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH}"
    if _MATRIX_POWER.search(formula):
        return "a power of a matrix"
    numbers = _DIGITS.findall(formula)
    if any(len(number) > MAX_NUMBER_DIGITS for number in numbers):
        return f"a number of more than {MAX_NUMBER_DIGITS} digits"
    if any(int(e[1]) > MAX_EXPONENT for e in _EXPONENT.finditer(formula)):
        return f"an exponent over {MAX_EXPONENT}"
    if _tower(formula) > MAX_TOWER:
        return f"more than {MAX_TOWER} exponents on each other"
    if any(int(f[1]) > MAX_FACTORIAL for f in _FACTORIAL.finditer(formula)) or re.search(r"!\s*[)}]*\s*[!^]", formula):
        return f"a factorial over {MAX_FACTORIAL}"
    if _COUNTED.search(formula) and any(int(number) > MAX_COUNT for number in numbers):
        return f"a sum, product or binomial over {MAX_COUNT}"
    return None


def _depth(formula: str) -> int:
    depth = deepest = 0
    for char in formula:
        if char in "{([":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "})]":
            depth -= 1
    return deepest


def _tower(formula: str) -> int:
    """How many exponents stand on each other: `9^{9^{9}}` has 2, `2^3 + 4^5` has 1."""
    open_groups: list[bool] = []
    tallest, after_caret = 0, False
    for char in formula:
        if char == "^":
            after_caret = True
            tallest = max(tallest, 1 + sum(open_groups))
        elif char in "{(":
            open_groups.append(after_caret)
            after_caret = False
        elif char in "})":
            if open_groups:
                open_groups.pop()
            after_caret = False
        elif not char.isspace():
            after_caret = False
    chained = max((run.count("^") for run in re.findall(r"(?:\w\^)+", formula)), default=0)
    return max(tallest, chained)
