r"""Arithmetic on whole numbers, read and worked out exactly, by a small parser of our own.

    evaluate("(25 - 3) / 4", 3)   → (Fraction(11, 2), [25, 3, 4])

    expression := term   {("+" | "-") term}
    term       := factor {("*" | "/") factor}
    factor     := "-" factor | number | "(" expression ")" | \frac{expression}{expression}

Also read: × · ÷ − and \times \cdot \div, \left( \right). Refused, because each has been a way to cheat elsewhere or to
hang a judge: `**` and `^`, decimals (in "19.36" a search for digits finds the numbers 19 and 36), numbers side by side,
letters, and whatever is longer or deeper than a puzzle can need. Nothing is ever handed to Python's `eval`.
"""

import re
from fractions import Fraction

MAX_CHARACTERS, MAX_DIGITS, MAX_DEPTH = 500, 18, 40

_WRITTEN = {
    "×": "*", "·": "*", "∗": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "\\times": "*", "\\cdot": "*", "\\div": "/",
    "\\left(": "(", "\\right)": ")", "\\dfrac": "\\frac", "\\tfrac": "\\frac",
}  # fmt: skip
_SPELLING = re.compile("|".join(re.escape(text) for text in sorted(_WRITTEN, key=len, reverse=True)))
_TOKEN = re.compile(r"\s*(?:([0-9]+(?:[.,][0-9]+)*)|(\*\*|\\frac|[-+*/(){}^])|(\S))\s*")


class ExpressionError(ValueError):
    """The text is no expression of this kind. The message says why."""


def evaluate(text: str, max_numbers: int) -> tuple[Fraction, list[int]]:
    """The value of an expression and the numbers it holds, in order. Raises ExpressionError, also for a division by
    zero and for more than `max_numbers` numbers."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"longer than {MAX_CHARACTERS} characters")
    parser = _Parser(_tokens(text), max_numbers)
    value = parser.expression(0)
    if parser.peek():
        raise ExpressionError(f"{parser.peek()!r} where the expression should end")
    return value, parser.numbers


def _tokens(text: str) -> list[str]:
    plain = _SPELLING.sub(lambda match: _WRITTEN[match.group()], text)
    tokens = []
    for number, sign, other in _TOKEN.findall(plain):
        if other or sign in ("**", "^"):
            raise ExpressionError(f"{other or sign!r} is not allowed: whole numbers, + - * / and brackets are")
        if not number.isdigit() and number:
            raise ExpressionError(f"{number} is not a whole number")
        if len(number) > MAX_DIGITS:
            raise ExpressionError(f"a number of more than {MAX_DIGITS} digits")
        tokens.append(number or sign)
    return tokens


class _Parser:
    """Recursive descent; values are exact. Depth is counted, so a text cannot exhaust the stack."""

    def __init__(self, tokens: list[str], max_numbers: int) -> None:
        self.tokens, self.position, self.max_numbers = tokens, 0, max_numbers
        self.numbers: list[int] = []

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if wanted and token != wanted:
            raise ExpressionError(f"{wanted!r} expected, {token!r} found" if token else f"{wanted!r} is missing")
        self.position += 1
        return token

    def expression(self, depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"more than {MAX_DEPTH} brackets or signs within each other")
        value = self.term(depth)
        while self.peek() in ("+", "-"):
            value = value + self.term(depth) if self.take() == "+" else value - self.term(depth)
        return value

    def term(self, depth: int) -> Fraction:
        value = self.factor(depth)
        while self.peek() in ("*", "/"):
            value = value * self.factor(depth) if self.take() == "*" else self.divide(value, self.factor(depth))
        return value

    def factor(self, depth: int) -> Fraction:
        token = self.take()
        if token == "-":
            if depth > MAX_DEPTH:
                raise ExpressionError(f"more than {MAX_DEPTH} brackets or signs within each other")
            return -self.factor(depth + 1)
        if token == "(":
            return self.closed(depth, ")")
        if token == "\\frac":
            above, below = self.braced(depth), self.braced(depth)
            return self.divide(above, below)
        if not token.isdigit():
            raise ExpressionError(f"a number expected, {token!r} found" if token else "it ends where a number is due")
        if len(self.numbers) == self.max_numbers:
            raise ExpressionError(f"more than {self.max_numbers} numbers")
        self.numbers.append(int(token))
        return Fraction(int(token))

    def braced(self, depth: int) -> Fraction:
        self.take("{")
        return self.closed(depth, "}")

    def closed(self, depth: int, bracket: str) -> Fraction:
        value = self.expression(depth + 1)
        self.take(bracket)
        return value

    @staticmethod
    def divide(above: Fraction, below: Fraction) -> Fraction:
        if below == 0:
            raise ExpressionError("a division by zero")
        return above / below
