r"""One spelling for what LaTeX spells in many ways, without changing what it says.

    \left( \dfrac12 ,\; 3\text{ cm}\right)   → (\frac{1}{2},3)

Conservative on purpose: sizes, spaces, dollar signs, degrees and trailing units go; words, letters and operators stay.
What two answers share after this is equal without any algebra.
"""

import re

_DROPPED = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|big|Big|displaystyle|textstyle|limits|nolimits)(?![a-zA-Z])\.?|(?<!\\)\\[!,;:>]|"
    r"\\(?:quad|qquad|hspace\{[^{}]*\})(?![a-zA-Z])|~|(?<!\\)\\ "
)
_RENAMED = {
    r"\\[dtc]frac(?![a-zA-Z])": r"\\frac",
    r"\\(?:leq|leqslant|le)(?![a-zA-Z])|<=|≤": r"\\leq ",
    r"\\(?:geq|geqslant|ge)(?![a-zA-Z])|>=|≥": r"\\geq ",
    r"\\(?:neq|ne)(?![a-zA-Z])|!=|≠": r"\\neq ",
    r"\\lt(?![a-zA-Z])": "<",
    r"\\gt(?![a-zA-Z])": ">",
    r"\\(?:lbrace|\{)": r"\\{",
    r"\\(?:rbrace|\})": r"\\}",
    r"\\(?:lbrack)(?![a-zA-Z])": "[",
    r"\\(?:rbrack)(?![a-zA-Z])": "]",
    r"\\(?:mathrm|mathit|mathbf|mathsf|operatorname|textrm|textbf|textit|textnormal|mbox|text)\s*\{": r"\\text{",
    r"×": r"\\times ",
    r"·|⋅": r"\\cdot ",
    r"π": r"\\pi ",
    r"∞|\binf(?:ini)?ty\b|\binf\b": r"\\infty ",
    r"√": r"\\sqrt ",
    r"∪": r"\\cup ",
    r"∈": r"\\in ",
    r"−|–": "-",
    r"±": r"\\pm ",
    r"°": r"^\\circ ",
    r"\\(?:approx|doteq)(?![a-zA-Z])|≈": r"\\approx ",
    r"\\(?:percent|%)|\s*\b(?:percent|pct|percentage)\b|\\text\{\s*(?:percent|pct|percentage)\s*\}": "%",
    r"\\colon(?![a-zA-Z])": ":",
    r"\\varnothing(?![a-zA-Z])|∅|\\\{\s*\\\}": r"\\emptyset ",
    r"\\sqrt\s*\(([^()]*)\)": r"\\sqrt{\1}",
    r"\\(?:cdots|ldots|dots)(?![a-zA-Z])|…": r"\\ldots ",
}  # fmt: skip
_RULES = [(re.compile(pattern), replacement) for pattern, replacement in _RENAMED.items()]
_SHORT_FRAC = re.compile(r"\\frac\s*(\d|[a-zA-Z]|\{[^{}]*\})\s*(\d|[a-zA-Z]|\{[^{}]*\})")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\d|[a-zA-Z])(?![a-zA-Z])")
_DEGREES = re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\(?:degree|deg)(?![a-zA-Z])|\s*\bdegrees?\b")
_UNIT_TEXT = re.compile(r"(?<=[\d}%)\]])\s*\\text\{[^{}]*\}(?:\^\{?\d\}?)?\.?$")
_UNIT_WORD = re.compile(
    r"(?<=\d)\s+(?:[a-zA-Z]{2,}\.?(?:\s+(?!and\b|or\b)[a-zA-Z]{2,}\.?)*|[a-zA-Z]+/[a-zA-Z]+)(?:\^\{?\d\}?)?$"
)
_UNIT_CHINESE = re.compile(r"(?<=\d)\s*[\u4e00-\u9fff]+(?:/[\u4e00-\u9fff]+)?$")
_GROUPS = re.compile(r"(?<=\d)(?:\{,\}|,\\!)\s*(?=\d{3})")
_MONEY = re.compile(r"\\\$|(?<!\\)\$|€|£|¥|\\pounds(?![a-zA-Z])")


def normalize(answer: str) -> str:
    """The one spelling; spaces are kept only where they hold two tokens apart."""
    text = answer.strip().strip("\0")
    text = re.sub(r"\\\\(?=[a-zA-Z])", r"\\", text) if r"\begin" not in text else text
    text = _GROUPS.sub("", text)
    text = _MONEY.sub("", text)
    text = _DROPPED.sub(" ", text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = _DEGREES.sub("", text)
    text = _SHORT_FRAC.sub(_braced_frac, text)
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    text = text.strip().rstrip("\\").strip()
    text = re.sub(r"(?<!\.)\.$|[,;:。，；]+$", "", text)
    for unit in (_UNIT_TEXT, _UNIT_WORD, _UNIT_CHINESE):
        text = unit.sub("", text)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" ?([^\w\s\\{])(?<!\\) ?", r"\1", text) if "\\begin" not in text else text
    return re.sub(r"(?<![\d.])\.(?=\d)", "0.", text).strip()


def _braced_frac(match: re.Match[str]) -> str:
    top, bottom = (part if part.startswith("{") else "{" + part + "}" for part in match.groups())
    return rf"\frac{top}{bottom}"


def plain_words(normalized: str) -> str:
    r"""Text answers alike: `\text{ Evelyn }`, `evelyn.` → `evelyn`."""
    inner = re.sub(r"\\text\{([^{}]*)\}", r"\1", normalized)
    return re.sub(r"\s+", " ", inner.strip(" .!?'\"`*()")).casefold()


def to_latex(expression: str) -> str:
    r"""Calculator and Python spelling as LaTeX: `-2*pi + exp(16)/3**x` → `-2\cdot \pi +e^{(16)}/3^x`."""
    text = expression.replace("**", "^")
    text = re.sub(r"(?<![\\a-zA-Z])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}", text)
    text = re.sub(r"(?<![\\a-zA-Z])exp\s*\(([^()]*)\)", r"e^{\1}", text)
    text = re.sub(r"(?<![\\a-zA-Z])(sin|cos|tan|log|ln|pi)(?![a-zA-Z])", r"\\\1 ", text)
    text = re.sub(r"\^\s*\(([^()]*)\)", r"^{\1}", text)
    text = re.sub(r"\^\s*(\d{2,})", r"^\1", text)
    return text.replace("*", r"\cdot ")
