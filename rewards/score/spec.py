"""A reward as it is written on the command line: `[label=]NAME[(parameters)][*weight]`.

    math                                    the shipped reward, weight 1
    format(style=think_answer)*0.2          parameters as key=value, and a weight
    lenient=math(extract=last_number)*0     a name of its own; weight 0 is for looking only
    length(form=group_relative, correct={"use": "math"})
    rules.py:short                          a function or class of a file, or package.module:function

Values are JSON where they can be (numbers, true, "quoted text", lists, objects), `True`, `False` and `None` as Python
writes them, and plain text else.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewards.errors import RewardError

_SPEC = re.compile(
    r"\s*(?:(?P<label>[\w-]+)\s*=)?\s*(?P<use>[^()*=]+?)\s*(?:\((?P<params>.*)\))?\s*(?:\*\s*(?P<weight>[^()*]+))?\s*",
    re.DOTALL,
)
_PYTHON_WORDS = {"True": True, "False": False, "None": None}
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class ScoreSpec:
    """One reward to score by. label: its name in the output. See `rewards.load` for `use` and `params`."""

    label: str
    use: str
    params: dict[str, Any] = field(default_factory=dict)
    weight: float = 1.0


def parse_specs(texts: Sequence[str]) -> list[ScoreSpec]:
    """All rewards of a command line. Raises RewardError for one that cannot be read, or two of one label."""
    specs = [parse_spec(text) for text in texts]
    labels = [spec.label for spec in specs]
    for label in labels:
        if labels.count(label) > 1:
            raise RewardError(f"two rewards are called {label!r}: name one of them, for example other={label}")
    return specs


def parse_spec(text: str) -> ScoreSpec:
    """One reward. Raises RewardError where the text is not of the form."""
    match = _SPEC.fullmatch(text)
    if match is None:
        raise RewardError(f"cannot read the reward {text!r}: write NAME, NAME(key=value, …) or NAME(…)*weight")
    use = match["use"]
    params = dict(_parameter(part, text) for part in _split(match["params"] or ""))
    label = match["label"] or use.rsplit(":", 1)[-1].rsplit("/", 1)[-1]
    return ScoreSpec(label, use, params, _weight(match["weight"], text))


def _weight(written: str | None, text: str) -> float:
    try:
        weight = float(written or 1.0)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise RewardError(f"in the reward {text!r}: the weight {written!r} is no number")
    return weight


def _parameter(part: str, text: str) -> tuple[str, Any]:
    key, equals, value = part.partition("=")
    if not equals or not key.strip().isidentifier():
        raise RewardError(f"in the reward {text!r}: parameters are key=value, got {part.strip()!r}")
    return key.strip(), _value(value.strip())


def _value(text: str) -> Any:
    if text in _PYTHON_WORDS:
        return _PYTHON_WORDS[text]
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _split(text: str) -> Iterator[str]:
    """The parts between commas that are in no brackets and no quotes."""
    depth, quote, start = 0, "", 0
    for position, char in enumerate(text):
        if quote:
            if char == quote and text[position - 1] != "\\":
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in _OPENING:
            depth += 1
        elif char in _CLOSING:
            depth -= 1
        elif char == "," and depth == 0:
            yield text[start:position]
            start = position + 1
    if text[start:].strip():
        yield text[start:]
