r"""One spelling for what LaTeX spells in many ways, without changing what it says.

    \left( \dfrac12 ,\; 3\text{ cm}\right)   → (\frac{1}{2},3)

Conservative on purpose: sizes, spaces, dollar signs, degrees and trailing units go; words, letters and operators stay.
What two answers share after this is equal without any algebra.
"""

import functools
import re
from dataclasses import dataclass

from rewards.math.units import split_unit

_DROPPED = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|big|Big|displaystyle|textstyle|limits|nolimits)(?![a-zA-Z])\.?|(?<!\\)\\[!,;:>]|"
    r"\\(?:quad|qquad|hspace\{[^{}]*\})(?![a-zA-Z])|~|(?<!\\)\\ "
)
_RENAMED = {
    r"\\[dtc]frac(?![a-zA-Z])": r"\\frac",
    r"\\(?:leq|leqslant|le)(?![a-zA-Z])|<=|≤|⩽": r"\\leq ",
    r"\\(?:geq|geqslant|ge)(?![a-zA-Z])|>=|≥|⩾": r"\\geq ",
    r"\\(?:neq|ne)(?![a-zA-Z])|!=|≠": r"\\neq ",
    r"\\lt(?![a-zA-Z])": "<",
    r"\\gt(?![a-zA-Z])": ">",
    r"\\(?:lbrace|\{)": r"\\{",
    r"\\(?:rbrace|\})": r"\\}",
    r"\\(?:lbrack)(?![a-zA-Z])": "[",
    r"\\(?:rbrack)(?![a-zA-Z])": "]",
    r"\\langle(?![a-zA-Z])|⟨": "(",
    r"\\rangle(?![a-zA-Z])|⟩": ")",
    r"\\(?:lvert|rvert|vert|mid)(?![a-zA-Z])": "|",
    r"\\(?:mathrm|mathit|mathbf|mathsf|operatorname|textrm|textbf|textit|textnormal|mbox|text)\s*\{": r"\\text{",
    r"×": r"\\times ",
    r"÷": r"\\div ",
    r"·|⋅": r"\\cdot ",
    r"π": r"\\pi ",
    r"∞|(?<!\\)\binf(?:ini)?ty\b|(?<!\\)\binf\b": r"\\infty ",
    r"\\lg(?![a-zA-Z])": r"\\log_{10}",
    r"√": r"\\sqrt ",
    r"∪": r"\\cup ",
    r"∈": r"\\in ",
    r"\\(?:setminus|backslash)(?![a-zA-Z])|∖": r"\\setminus ",
    r"−|–": "-",
    r"±": r"\\pm ",
    r"∓": r"\\mp ",
    r"°": r"^\\circ ",
    r"\\(?:approx|doteq)(?![a-zA-Z])|≈": r"\\approx ",
    r"\\(?:percent|%)|\s*\b(?:percent|pct|percentage)\b|\\text\{\s*(?:percent|pct|percentage)\s*\}": "%",
    r"\\colon(?![a-zA-Z])": ":",
    r"\\varnothing(?![a-zA-Z])|∅|\\\{\s*\\\}": r"\\emptyset ",
    r"\\(?:mathbb|mathbf)\s*(?:\{R\}|R)|\\(?:Reals?|R)(?![a-zA-Z])|ℝ": r"(-\\infty ,\\infty )",
    r"\\sqrt\s*\(([^()]*)\)": r"\\sqrt{\1}",
    r"\\(?:cdots|ldots|dots)(?![a-zA-Z])|…": r"\\ldots ",
}  # fmt: skip
_RULES = [(re.compile(pattern), replacement) for pattern, replacement in _RENAMED.items()]
_CASES = re.compile(r"\\begin\{cases\}([^&]*?)(?:\\\\\s*)?\\end\{cases\}")
_WHOLE_TEXT = re.compile(r"\\text\{([^{}]*[\d,][^{}]*)\}")
_SHORT_FRAC = re.compile(r"\\frac\s*(\d|[a-zA-Z]|\{[^{}]*\})\s*(\d|[a-zA-Z]|\{[^{}]*\})")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\d|[a-zA-Z])(?![a-zA-Z])")
_DEGREES = re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\(?:degree|deg)(?![a-zA-Z])")
_ANGLE = re.compile(rf"(\d+(?:\.\d+)?)\s*(?:{_DEGREES.pattern})")
_OF_ANGLES = re.compile(r"(?<![a-zA-Z])(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
# Words that are worth something. 千米 and 千克 are the units km and kg.
_SCALES = {"hundred|百": 2, "thousand|千(?![米克瓦])": 3, "万": 4, "million": 6, "亿": 8, "billion": 9}
_SCALE_RULES = [
    (re.compile(rf"(?<=\d)\s*(?:{words})(?![a-zA-Z])"), rf"\\times 10^{power}") for words, power in _SCALES.items()
]
_GROUPS = re.compile(r"(?<=\d)(?:\{,\}|,\\!|\\,(?=\d{3}(?!\d)))\s*(?=\d{3})")
_MONEY = re.compile(r"\\\$|(?<!\\)\$|€|£|¥|\\pounds(?![a-zA-Z])")
# What keyboards without LaTeX write: full-width forms, raised and lowered digits, fractions in one character.
_FULL_WIDTH = {code + 0xFEE0: chr(code) for code in range(0x21, 0x7F)} | {0x3000: " ", ord("、"): ","}
_RAISED, _LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"), str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_VULGAR = {"½": "12", "⅓": "13", "⅔": "23", "¼": "14", "¾": "34", "⅕": "15", "⅖": "25", "⅗": "35", "⅘": "45", "⅙": "16",
           "⅚": "56", "⅛": "18", "⅜": "38", "⅝": "58", "⅞": "78"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Normal:
    """An answer in the one spelling, and the unit that stood behind it, empty where there was none."""

    text: str
    unit: str = ""


def normalize(answer: str) -> str:
    """The one spelling, without a unit; spaces are kept only where they hold two tokens apart."""
    return read(answer).text


@functools.lru_cache(maxsize=4096)
def read(answer: str) -> Normal:
    """The one spelling and the unit apart."""
    text = answer.strip().strip("\0")
    text = re.sub(r"\\\\(?=[a-zA-Z])", r"\\", text) if r"\begin" not in text else text
    text = _GROUPS.sub("", text)
    text = _MONEY.sub("", text)
    text = _DROPPED.sub(" ", text if text.isascii() else _ascii(text))
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = _CASES.sub(lambda match: match[1].replace(r"\\", ", "), text)
    for pattern, worth in _SCALE_RULES:
        text = pattern.sub(worth, text)
    if _OF_ANGLES.search(text):
        text = _ANGLE.sub(r"(\\frac{\1\\pi }{180})", text)
    text = _DEGREES.sub("", text)
    text = _SHORT_FRAC.sub(_braced_frac, text)
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    text = text.strip().rstrip("\\").strip()
    text = re.sub(r"(?<!\.)\.$|[,;:。]+$", "", text)
    whole = _WHOLE_TEXT.fullmatch(text)
    text, unit = split_unit(whole[1].strip() if whole else text)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" ?([^\w\s\\{])(?<!\\) ?", r"\1", text) if "\\begin" not in text else text
    return Normal(re.sub(r"(?<![\d.])\.(?=\d)", "0.", text).strip(), unit)


def _ascii(text: str) -> str:
    text = text.translate(_FULL_WIDTH)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda match: "^{" + match[0].translate(_RAISED) + "}", text)
    text = re.sub("[₀₁₂₃₄₅₆₇₈₉]+", lambda match: "_{" + match[0].translate(_LOWERED) + "}", text)
    return re.sub(f"[{''.join(_VULGAR)}]", lambda match: r"\frac" + _VULGAR[match[0]], text)


def _braced_frac(match: re.Match[str]) -> str:
    top, bottom = (part if part.startswith("{") else "{" + part + "}" for part in match.groups())
    return rf"\frac{top}{bottom}"
