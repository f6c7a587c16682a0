"""The control of a learning curve: the quickstart's own rewards, handed to the wrong completions.

Rewards keep their distribution in every step and say nothing of the completion they weigh; a policy that still improved
would owe it to something other than its rewards.
"""

import random

from rewards.format import FormatReward
from rewards.math import MathReward


def shuffled(prompts, completions, **columns) -> list[float]:
    """The quickstart's reward (math + 0.2 × format) of each completion, permuted over the whole step."""
    math = MathReward(require_anchor=True)(prompts=prompts, completions=completions, **columns)
    form = FormatReward()(prompts=prompts, completions=completions, **columns)
    total = [(a or 0.0) + 0.2 * (b or 0.0) for a, b in zip(math, form, strict=True)]
    random.Random("".join(completions)).shuffle(total)
    return total
