"""Tasks of reasoning-gym (github.com/open-thought/reasoning-gym, Apache-2.0): its generators as data, its scorers as a
reward. An extra: `pip install 'grpo[reasoning-gym]'`.

    data: {source: rewards.reasoning_gym:rows, options: {task: chain_sum, count: 1000, config: {max_terms: 4}}}
    rewards: [reasoning_gym]

    {"prompt": "State the final answer to the following arithmetic problem: 4 + 3 =", "solution": "7",
     "task": "chain_sum", "seed": 1795034, "index": 0, "config": "{\\"max_terms\\": 4}", "digest": "…"}
    completion "<think>…</think><answer>7</answer>"   → 1.0

A row names its problem (task, seed, index, config) and does not carry it: the reward makes the problem again, so that
nothing a data file says is handed to a scorer, and a row of another version of the package is seen.

The package's scorers are code of others over text of a model. They run in a worker process, with deadline and memory
cap, and nowhere else: called outside of one (TRL), the reward starts a worker of its own. Scorers that execute text are
never called: REFUSED lists their tasks, and a few more that cannot be trusted, each with the reason.
"""

from rewards.reasoning_gym.problems import REFUSED, rows
from rewards.reasoning_gym.reward import ReasoningGymReward

__all__ = ["REFUSED", "ReasoningGymReward", "rows"]
