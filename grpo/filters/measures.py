"""The measures that only a reward can tell: form, language, repetition.

Each is a reward of weight 0 that the stage adds to its own, so that it is judged where rewards are judged: in workers,
with deadlines. A verdict without a score rejects: what could not be judged is not known to be clean.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from grpo.filters.rows import Row
from grpo.recipe.fields import Reward
from grpo.recipe.filters import AnyFilter, Format, Language, Repetition
from rewards.verdict import Verdict

Measured = Format | Language | Repetition


def rewards_of(filters: Iterable[AnyFilter]) -> tuple[Reward, ...]:
    """The rewards that the filters themselves decide by, of weight 0, under labels such as `keep.language`."""
    return tuple(measure(each) for each in filters if isinstance(each, Measured))


def measure(settings: Measured) -> Reward:
    """The reward behind one filter."""
    params: dict[str, Any]
    match settings:
        case Format():
            params = settings.model_dump(include={"style", "pattern", "prefilled"})
        case Language():
            params = settings.model_dump(include={"language", "column", "part", "detector", "minimum_words"})
        case Repetition():
            params = {"ngram_size": settings.ngram_size}
    return Reward(use=settings.use, name=f"keep.{settings.label}", weight=0.0, params=params)


def measured(settings: Measured, row: Row) -> str | None:
    """Why the completion is rejected, or None."""
    label = measure(settings).label
    verdict = row.verdict(label)
    if verdict.score is None:
        return without_score(label, verdict)
    match settings:
        case Format():
            return None if verdict.score >= 1 else f"not of the form: {verdict.detail}"
        case Language():
            if verdict.score >= settings.at_least:
                return None
            share = f"{verdict.score:.4g} of the words are of the target language, at least {settings.at_least:g}"
            return f"{share} ({verdict.detail})"
        case Repetition():
            repeated = -verdict.score  # the reward is a penalty: from -1 (all the same) to 0
            if repeated <= settings.at_most:
                return None
            return f"{repeated:.4g} of the n-grams came before, at most {settings.at_most:g} ({verdict.detail})"


_WHY: Mapping[str, str] = {
    "not_applicable": "does not apply to it",
    "bad_reference": "could not judge it, the reference cannot be read",
    "timeout": "could not judge it within its deadline",
    "error": "could not judge it, it failed",
}


def without_score(label: str, verdict: Verdict) -> str:
    """The reason for a verdict that is not `scored`, by its status. What failed is in the verdict's detail."""
    return f"reward {label} {_WHY[verdict.status]} ({verdict.status})"
