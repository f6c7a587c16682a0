"""What the completions of one step look like, in TRL's metric names."""

from collections.abc import Sequence

from grpo.records import Group


def completion_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Lengths in tokens; `clipped_ratio` is the share truncated at max_completion_length; `terminated` lengths are
    those of completions that ended by themselves."""
    completions = [completion for group in groups for completion in group.completions]
    lengths = [len(completion.token_ids) for completion in completions]
    ended = [len(c.token_ids) for c in completions if c.finish_reason == "stop"]
    prompt_tokens = sum(len(group.prompt.token_ids) * len(group.completions) for group in groups)
    metrics = {
        "completions/mean_length": sum(lengths) / len(lengths),
        "completions/min_length": float(min(lengths)),
        "completions/max_length": float(max(lengths)),
        "completions/clipped_ratio": 1.0 - len(ended) / len(lengths),
        "num_tokens": float(sum(lengths) + prompt_tokens),
        "completion_tokens": float(sum(lengths)),
        "num_completions": float(len(lengths)),
    }
    if ended:
        metrics["completions/mean_terminated_length"] = sum(ended) / len(ended)
    return metrics
