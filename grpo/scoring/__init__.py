"""Completions to verdicts: which rewards judge which completion, where, and what could not be judged."""

from grpo.scoring.scorer import Scorer, Unreadable

__all__ = ["Scorer", "Unreadable"]
