"""What can be wrong with the filters of a stage, said before anything is sampled."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from grpo.errors import UserError
from grpo.filters.measures import Measured, measure
from grpo.filters.solved import deciding
from grpo.recipe.fields import Reward
from grpo.recipe.filters import AnyFilter, Correct, NearDuplicates, PassRate
from rewards.errors import RewardError
from rewards.load import load_reward


def check(filters: Sequence[AnyFilter], rewards: Sequence[Reward], where: str = "keep") -> None:
    """rewards: the stage's own. where: the recipe key of the filters, for messages.

    Raises UserError for two filters of one name, a reward label that the stage does not have, settings that a reward
    behind a filter refuses, and a package that is not installed.
    """
    _names_differ(filters, where)
    for place, each in enumerate(filters):
        here = f"{where}[{place}]"
        if isinstance(each, Correct | PassRate):
            deciding(each, rewards, here)
        elif isinstance(each, Measured):
            _can_be_measured(each, rewards, here)
        elif isinstance(each, NearDuplicates) and find_spec("datasketch") is None:
            raise UserError(
                f"{each.use} needs the package `datasketch`, which is not installed",
                where=here,
                advice=f"pip install 'grpo[dedup]', or take {each.use} out of `{where}`",
            )


def _names_differ(filters: Sequence[AnyFilter], where: str) -> None:
    labels = [each.label for each in filters]
    for place, label in enumerate(labels):
        if label in labels[:place]:
            raise UserError(
                f"two filters share the name {label!r} ({where}[{labels.index(label)}] is the other)",
                where=f"{where}[{place}]",
                advice="Give each its own `name`: the record counts what a filter rejects under it.",
            )


def _can_be_measured(settings: Measured, rewards: Sequence[Reward], where: str) -> None:
    reward = measure(settings)
    if reward.label in [other.label for other in rewards]:
        raise UserError(
            f"the filter {settings.label!r} is judged as {reward.label!r}, and a reward has that name",
            where=where,
            advice="Give the filter, or the reward, another `name`.",
        )
    try:
        load_reward(reward.use, reward.params, Path())
    except RewardError as error:
        raise UserError(str(error), where=where) from error
