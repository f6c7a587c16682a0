"""Where the prompts of an `rl` stage come from: one source, or several in proportions, each with rewards of its own.

    mixture:
      reasoning: {data: {source: math.jsonl}, rewards: [math, {use: format, weight: 0.2}], weight: 3}
      general:   {data: {source: general.jsonl}, rewards: [choice], weight: 1}

Three prompts of four are of `reasoning`. A row of one source is not judged by the rewards of another: to it they do not
apply, and their weight drops out. The stage's own `rewards` judge every row.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from grpo.recipe.fields import Data, Reward, Strict

if TYPE_CHECKING:
    from grpo.recipe.trained_stages import RLStage

SourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]
ALONE = ""
"""Name of the one source of a stage that has no mixture."""


class PromptSource(Strict):
    """rewards: of this source's rows alone. weight: its share of a step's prompts, relative to the other sources'; with
    0 it gives none until one of the stage's `changes` says otherwise."""

    data: Data
    rewards: tuple[Reward, ...] = ()
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)


def source_key(name: str) -> str:
    """Where a source stands in its stage; with a dot behind it, unless it is the stage itself."""
    return f"mixture.{name}." if name else ""


def distinct(rewards: Iterable[Reward]) -> tuple[Reward, ...]:
    """Each reward once: sources may share one by saying the same of it."""
    found: list[Reward] = []
    for reward in rewards:
        if reward not in found:
            found.append(reward)
    return tuple(found)


def judged_sources(stage: "RLStage") -> dict[str, frozenset[str]]:
    """Label → names of the sources whose rows it judges, for rewards that do not judge every row."""
    everywhere = {reward.label for reward in stage.rewards}
    labels = {reward.label for source in stage.sources.values() for reward in source.rewards} - everywhere
    return {
        label: frozenset(
            name for name, source in stage.sources.items() if label in {reward.label for reward in source.rewards}
        )
        for label in labels
    }


def mistakes(stage: "RLStage") -> Iterator[str]:
    """What does not fit together, in words."""
    if (stage.data is None) == (not stage.mixture):
        yield f"give either `data` or a `mixture` of sources, not {'neither' if stage.data is None else 'both'}"
        return
    if stage.mixture and stage.epochs is not None:
        yield "give `steps`: the sources of a mixture end their epochs at different times"
    for name, source in stage.sources.items():
        if not (stage.rewards or source.rewards or stage.reference):
            yield f"{source_key(name)}rewards: nothing judges these rows: give rewards here or to the whole stage"
    labels = [reward.label for reward in stage.all_rewards]
    for listed in (labels, *([r.label for r in (*stage.rewards, *each.rewards)] for each in stage.sources.values())):
        if len(set(listed)) < len(listed):
            yield f"two rewards share a name ({', '.join(listed)}): give each its own `name`"
            return
    for number, change in enumerate(stage.changes):
        yield from _unknown(f"changes.{number}: no reward", change.weights, labels, "rewards")
        yield from _unknown(f"changes.{number}: no source", change.mixture, list(stage.mixture), "sources")
    if stage.mixture and not all(any(weights.values()) for weights in mixtures(stage)):
        yield "mixture: at some time every source has weight 0"


def mixtures(stage: "RLStage") -> Iterator[dict[str, float]]:
    """Weights of the sources as the stage goes on: at its start, and after each change of them."""
    weights = {name: source.weight for name, source in stage.sources.items()}
    yield dict(weights)
    for change in sorted(stage.changes, key=lambda each: each.at_update):
        if change.mixture:
            weights |= change.mixture
            yield dict(weights)


def proportions(weights: Mapping[str, float]) -> dict[str, Fraction]:
    """Each weight's share of all, of the decimals as they are written: 0.1 is a tenth."""
    exact = {name: Fraction(repr(weight)) for name, weight in weights.items()}
    return {name: weight / sum(exact.values()) for name, weight in exact.items()}


def most_prompts(stage: "RLStage") -> dict[str, int]:
    """How many prompts a step takes of each source at most."""
    most = dict.fromkeys(stage.sources, 0)
    for weights in mixtures(stage):
        for name, share in proportions(weights).items():
            most[name] = max(most[name], ceil(stage.prompts_per_step * share))
    return most


def _unknown(what: str, given: Mapping[str, float], known: list[str], kind: str) -> Iterator[str]:
    missing = sorted(set(given) - set(known))
    if missing:
        yield f"{what} {', '.join(missing)} ({kind}: {', '.join(known) or 'none'})"
