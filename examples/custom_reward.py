"""A reward of your own, in a file. Run it with `grpo-train examples/custom_reward.yaml`, or as a script.

A reward gets everything by keyword, as lists with one entry a completion: `completions`, and every column of the data
(here `solution`). It returns one number a completion, or None where it does not speak of the row. TRL's reward
functions have the same shape and run unchanged.
"""

from collections.abc import Sequence
from pathlib import Path


def digits(completions: Sequence[str], **columns: object) -> list[float]:
    """The share of the characters that are digits: silly, but a random model learns it within a few steps."""
    return [sum(character.isdigit() for character in text) / max(1, len(text)) for text in completions]


def near(
    completions: Sequence[str], solution: Sequence[str], scale: float = 10.0, **columns: object
) -> list[float | None]:
    """1 for the right number at the end, less the farther off it is; None for a row without a number to compare with.

    `scale` is a parameter of the recipe: the distance at which half of the reward is gone.
    """
    rewards: list[float | None] = []
    for text, reference in zip(completions, solution, strict=True):
        last = text.split()[-1:]
        if not reference.isdigit():
            rewards.append(None)
        elif last and last[0].isdigit():
            rewards.append(scale / (scale + abs(float(last[0][:9]) - float(reference))))
        else:
            rewards.append(0.0)
    return rewards


if __name__ == "__main__":
    from grpo.cli.train import main

    raise SystemExit(main([str(Path(__file__).with_suffix(".yaml"))]))
