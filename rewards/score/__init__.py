"""`grpo-score`: score a file of completions, to see what a reward does before a GPU is spent on it.

    $ grpo-score --reward math --reward 'format(style=think_answer)*0.2' < rows.jsonl > scored.jsonl

A line of rows.jsonl, and the same line of scored.jsonl:

    {"completion": "<think>1+1</think><answer>2</answer>", "answer": "2"}
    {"completion": …, "answer": "2", "verdicts": {"math": {"status": "scored", "score": 1.0, "detail": "…",
     "seconds": 0.001, "answer": "2"}, "format": {…}}, "reward": 1.2}
"""

from rewards.score.command import main

__all__ = ["main"]
