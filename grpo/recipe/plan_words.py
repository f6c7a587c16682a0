"""Parts of a recipe in a few words, for the plan."""

from collections.abc import Sequence

from grpo.recipe.fields import Data, Reward, Rollout
from grpo.recipe.plan import engine_choice


def rows_of(data: Data) -> str:
    part = [data.source, data.name, None if data.split == "train" else data.split]
    named = " ".join(text for text in part if text)
    return f"{named}, rows {data.rows}" if data.rows else named


def template_of(data: Data) -> str:
    return "of your own" if "{{" in data.template else data.template


def rewards_of(rewards: Sequence[Reward]) -> str:
    return ", ".join(f"{reward.label} × {reward.weight:g}" for reward in rewards)


def engine_of(rollout: Rollout) -> str:
    engine, why = engine_choice(rollout)
    placement = f", {rollout.placement.replace('_', ' ')}" if engine == "vllm" and rollout.placement else ""
    return f"{engine} ({why}){placement}"


def count(number: int, noun: str) -> str:
    """`1 batch`, `2 batches`."""
    plural = noun + ("es" if noun.endswith("h") else "s")
    return f"{number:,} {noun if number == 1 else plural}"
