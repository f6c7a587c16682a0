"""What a stage samples from and scores with: prompts that fit and whose references can be read, held-out ones,
and the rewards of both."""

import logging
from collections.abc import Collection, Mapping, Sequence

from grpo.data.prompts import PromptSet, load_prompts
from grpo.errors import UserError
from grpo.models.reading import Reads
from grpo.recipe.fields import Data, Reward
from grpo.recipe.trained_stages import RLStage
from grpo.scoring.scorer import Scorer
from grpo.seeds import derive_seed
from grpo.stages.held_out import HeldOut
from grpo.stages.stage import StageInputs

log = logging.getLogger("grpo")


def load_data(data: Data, inputs: StageInputs, key: str, policy: Reads, longest_completion: int) -> PromptSet:
    """Prompts that leave room for a completion of the greatest length in the model's context. key: `data`, or
    `evaluate.data`. Raises UserError where none is left."""
    context, where = policy.context_length, inputs.where(key)
    prompts = load_prompts(
        data,
        policy.tokenizer,
        base=inputs.base,
        where=where,
        seed=inputs.seed,
        max_prompt_tokens=context - longest_completion if context else None,
        rows=inputs.given.rows_of(key),
    )
    if not prompts.prompts:
        raise UserError("no prompt is left", where=where, advice=f"dropped: {prompts.dropped}")
    for reason, count in prompts.dropped.items():
        log.warning("%s: %d rows dropped (%s)", where, count, reason)
    return prompts


def open_scorer(
    rewards: Sequence[Reward],
    workers: int,
    inputs: StageInputs,
    key: str,
    max_unjudged: float,
    judged: Mapping[str, Collection[str]] | None = None,
) -> Scorer:
    """The worker processes of these rewards, and models behind them loaded; whoever opens them closes them. judged: see
    `Scorer`."""
    scorer = Scorer(
        rewards,
        workers=workers,
        base=inputs.base,
        functions=inputs.given.functions,
        max_unjudged=max_unjudged,
        where=inputs.where(key),
        judged=judged,
    )
    scorer.load()
    return scorer


def readable(data: PromptSet, scorer: Scorer, settings: Data, where: str) -> PromptSet:
    """The prompts whose references every reward can read. Raises UserError where one cannot and `unreadable: fail`."""
    unreadable = scorer.check_references(data.prompts)
    if not unreadable:
        return data
    first = unreadable[0]
    if settings.unreadable == "fail":
        raise UserError(
            f"{len(unreadable)} references cannot be read, the first by reward {first.label!r}: {first.reason}",
            where=where,
            advice=f"row: {dict(first.prompt.columns)}; mend the rows, or set data.unreadable: drop",
        )
    bad = {item.prompt.id for item in unreadable}
    log.warning("%s: %d rows dropped (unreadable reference)", where, len(bad))
    return data.without(bad)


def open_held_out(settings: RLStage, inputs: StageInputs, policy: Reads) -> HeldOut | None:
    """The held-out prompts and their scorer; None where the stage has no evaluation."""
    evaluate = settings.evaluate
    if evaluate is None:
        return None
    longest = evaluate.max_completion_length or settings.max_completion_length
    prompts = load_data(evaluate.data, inputs, "evaluate.data", policy, longest).prompts
    scorer = open_scorer(evaluate.rewards, settings.reward_workers, inputs, "evaluate.rewards", max_unjudged=1.0)
    seed = derive_seed(inputs.seed, inputs.name, "evaluate")
    return HeldOut(evaluate, prompts, scorer, seed, default_length=settings.max_completion_length)
