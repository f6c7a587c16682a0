"""The figures that tell whether a run learns, as text: one line a step under a heading.

        step  reward  spread  no signal  length  truncated       kl  entropy  mismatch  tok/s  seconds
      12/100   0.531   0.412        12%   145.2         3%   0.0011    1.234   4.1e-03    812  sample 3.1  update 4.0

`no signal` is the share of groups whose completions all got the same reward; `mismatch` the mean |difference| in nats
of the engine's and the trainer's log-probs on the sampled tokens.
"""

from collections.abc import Mapping

# title, width, metric, format
COLUMNS = (
    ("reward", 7, "reward", ".3f"),
    ("spread", 7, "reward_std", ".3f"),
    ("no signal", 10, "frac_reward_zero_std", ".0%"),
    ("length", 7, "completions/mean_length", ".1f"),
    ("truncated", 10, "completions/clipped_ratio", ".0%"),
    ("kl", 8, "kl", ".4f"),
    ("entropy", 8, "entropy", ".3f"),
    ("mismatch", 9, "sampling/logp_difference", ".1e"),
)
ABSENT = "-"
# Phases that produce and use completions; a step's rate should not depend on when the last checkpoint was written.
NOT_THROUGHPUT = ("evaluate", "save")


def heading() -> str:
    return f"{'step':>12}" + "".join(f"{title:>{width}}" for title, width, _, _ in COLUMNS) + f"{'tok/s':>7}  seconds"


def step_line(step: int, total: int | None, metrics: Mapping[str, float], seconds: Mapping[str, float]) -> str:
    """One step under `heading()`; a figure the step lacks is `-`. Rewards by name follow where there are several."""
    place = f"{step}/{total}" if total else str(step)
    cells = "".join(f"{_cell(metrics, key, form):>{width}}" for _, width, key, form in COLUMNS)
    rate = tokens_per_second(metrics, seconds)
    phases = "  ".join(f"{phase} {spent:.1f}" for phase, spent in seconds.items() if spent >= 0.05)
    parts = [f"{place:>12}{cells}{ABSENT if rate is None else format(rate, '.0f'):>7}", phases, *by_reward(metrics)]
    return "  ".join(part for part in parts if part)


def _cell(metrics: Mapping[str, float], key: str, form: str) -> str:
    value = metrics.get(key)
    return ABSENT if value is None else format(value, form)


def tokens_per_second(metrics: Mapping[str, float], seconds: Mapping[str, float]) -> float | None:
    """Sampled tokens over the seconds of the whole round (sampling, scoring, update, sync)."""
    spent = sum(value for phase, value in seconds.items() if phase not in NOT_THROUGHPUT)
    tokens = metrics.get("completion_tokens")
    return None if tokens is None or spent <= 0 else tokens / spent


def by_reward(metrics: Mapping[str, float]) -> list[str]:
    """`math 0.400` for each of several rewards, and `math unjudged 3` (completions) wherever there are any."""
    means, unjudged = _of_rewards(metrics, "/mean"), _of_rewards(metrics, "/unjudged")
    shown = [f"{name} {value:.3f}" for name, value in means.items()] if len(means) > 1 else []
    return shown + [f"{name} unjudged {count:.0f}" for name, count in unjudged.items() if count > 0]


def _of_rewards(metrics: Mapping[str, float], figure: str) -> dict[str, float]:
    """Values of `rewards/NAME` + figure by name, in order of the names."""
    return {
        key.removeprefix("rewards/").removesuffix(figure): metrics[key]
        for key in sorted(metrics)
        if key.startswith("rewards/") and key.endswith(figure)
    }


def evaluation_line(step: int, metrics: Mapping[str, float]) -> str:
    """`evaluation at step 40: pass@1 81.0%  pass@4 95.0%  greedy/pass@1 84.0%`; intervals are in evaluations.jsonl."""
    shares = {key.removeprefix("eval/"): value for key, value in metrics.items() if "pass@" in key}
    rates = [f"{key} {value:.1%}" for key, value in shares.items() if not key.endswith(("_low", "_high"))]
    length = metrics.get("eval/completions/mean_length")
    rates += [] if length is None else [f"length {length:.1f}"]
    return f"evaluation at step {step}: {'  '.join(rates) or 'nothing could be judged'}"
