"""Right completions, and prompts of the right difficulty: what the stage's own rewards say."""

from collections.abc import Sequence

from grpo.errors import UserError
from grpo.filters.measures import without_score
from grpo.filters.rows import Row
from grpo.recipe.fields import Reward
from grpo.recipe.filters import Correct, PassRate


def deciding(settings: Correct | PassRate, rewards: Sequence[Reward], where: str) -> str:
    """The label of the reward that decides: the one named, else the first with a weight. Raises UserError without."""
    labels = [reward.label for reward in rewards]
    if settings.reward is not None:
        if settings.reward not in labels:
            known = ", ".join(labels) or "none"
            raise UserError(f"no reward {settings.reward!r}", where=f"{where}.reward", advice=f"Known: {known}.")
        return settings.reward
    weighted = [reward.label for reward in rewards if reward.weight != 0]
    if not weighted:
        raise UserError(
            f"{settings.use} takes the first reward that has a weight, and none has one",
            where=f"{where}.reward",
            advice=f"Name the reward: {', '.join(labels)}." if labels else "Give the stage `rewards`.",
        )
    return weighted[0]


def correct(settings: Correct, label: str, row: Row) -> str | None:
    """Why the completion is rejected, or None."""
    verdict = row.verdict(label)
    if verdict.score is None:
        return without_score(label, verdict)
    if verdict.score >= settings.at_least:
        return None
    return f"reward {label} scored {verdict.score:g}, at least {settings.at_least:g}"


def pass_rate(settings: PassRate, label: str, rows: Sequence[Row], sampled: Sequence[Row]) -> list[str | None]:
    """Why each row is rejected, or None. sampled: all completions of the prompts, over which the share is taken."""
    scores: dict[str, list[float]] = {row.prompt_id: [] for row in sampled}
    for row in sampled:
        score = row.verdict(label).score
        if score is not None:
            scores[row.prompt_id].append(score)
    outside = {prompt: _outside(settings, label, judged) for prompt, judged in scores.items()}
    return [outside[row.prompt_id] for row in rows]


def _outside(settings: PassRate, label: str, scores: Sequence[float]) -> str | None:
    if not scores:
        return f"reward {label} scored no completion of the prompt, which has no pass rate"
    solved = sum(score >= settings.at_least for score in scores)
    if settings.min <= solved / len(scores) <= settings.max:
        return None
    return f"pass rate {solved} of {len(scores)} by reward {label}, outside {settings.min:g} to {settings.max:g}"
