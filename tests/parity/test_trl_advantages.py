"""Our advantages, denominators and mismatch weights against TRL 1.16's own `_generate_and_score_completions`.

A rollout function hands TRL fixed completions with sampling log-probs, fixed rewards score them, and what TRL makes of
them goes through its loss; we go from the same groups through `group_advantages`, `to_samples` and `policy_loss`.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from grpo.algorithm.advantages import group_advantages
from grpo.algorithm.logprobs import selective_logprobs
from grpo.algorithm.losses import Denominators, LossSettings, TokenBatch, policy_loss
from grpo.algorithm.samples import reward_statistics, to_samples
from grpo.records import Completion, Group, Prompt, Sample
from rewards.verdict import Verdict, scored

EOS, GROUP, MAX_COMPLETION_LENGTH = 1, 4, 10
Scores = list[tuple[float | None, ...]]
"""One row a completion, one score a reward; None: not applicable."""

SCORES: dict[str, Scores] = {
    "one reward": [(1.0,), (0.0,), (0.0,), (0.0,), (0.5,), (1.0,), (0.25,), (1.0,)],
    "no spread in the first group": [(0.1,), (0.1,), (0.1,), (0.1,), (0.0,), (1.0,), (1.0,), (0.0,)],
    "two rewards": [(1.0, 0.2), (0.0, 0.9), (0.0, 0.4), (1.0, 0.0), (0.3, 1.0), (0.0, 1.0), (0.5, 0.5), (0.2, 0.1)],
    "some do not apply": [
        (1.0, None),
        (0.0, 0.9),
        (None, 0.4),
        (None, None),
        (0.3, 1.0),
        (0.0, None),
        (0.5, 0.5),
        (0.2, 0.1),
    ],
}
WEIGHTS = (0.7, 0.3)


def _groups(scores: Scores) -> list[Group]:
    """Two groups of four; every third completion is truncated."""
    rng = random.Random(3)
    groups = []
    for g in range(2):
        prompt = Prompt(f"p{g}", "", tuple(rng.choices(range(3, 32), k=3 + g)))
        completions, verdicts = [], []
        for i in range(GROUP):
            row = g * GROUP + i
            ids = tuple(rng.choices(range(3, 32), k=rng.randint(1, 8))) + (() if row % 3 == 2 else (EOS,))
            logprobs = tuple(-5.0 + 3.0 * rng.random() for _ in ids)
            finish = "stop" if ids[-1] == EOS else "length"
            completions.append(Completion(prompt.id, i, ids, logprobs, "", finish, 0))
            verdicts.append({f"r{k}": _verdict(score) for k, score in enumerate(scores[row])})
        groups.append(Group(prompt, tuple(completions), tuple(verdicts)))
    return groups


def _verdict(score: float | None) -> Verdict:
    return Verdict("not_applicable") if score is None else scored(score)


@pytest.fixture
def oracle(oracles: dict) -> Iterator[Any]:
    """The Llama at temperature 1, given back as it was."""
    oracle = oracles[1.0]
    before = {name: getattr(oracle.trainer, name) for name in vars(oracle.trainer)}
    yield oracle
    vars(oracle.trainer).update(before)


def _score(oracle: Any, groups: Sequence[Group], scores: Scores, **settings: Any) -> dict[str, torch.Tensor]:
    """TRL's rollout of these completions: advantages, old log-probs, mismatch weights, tokens in the batch."""
    completions = [(group.prompt, completion) for group in groups for completion in group.completions]

    def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
        return {
            "prompt_ids": [list(prompt.token_ids) for prompt, _ in completions],
            "completion_ids": [list(completion.token_ids) for _, completion in completions],
            "logprobs": [list(completion.logprobs) for _, completion in completions],
        }

    def reward(k: int) -> Any:
        return lambda completions, **columns: [row[k] for row in scores]

    count = len(scores[0])
    trainer = oracle.trainer
    trainer.rollout_func = rollout
    trainer.reward_funcs = [reward(k) for k in range(count)]
    trainer.reward_processing_classes = [None] * count
    trainer.reward_func_names = [f"r{k}" for k in range(count)]
    trainer.reward_weights = torch.tensor(WEIGHTS[:count])
    trainer._last_loaded_step = trainer.state.global_step  # no engine to sync
    oracle.configure(**settings)
    trainer._metrics["train"].clear()
    return trainer._generate_and_score_completions([{"prompt": "w3"} for _ in completions])


@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES.keys())
@pytest.mark.parametrize("scale_rewards", ["group", "batch", "none"])
def test_sum_then_normalize(oracle: Any, scores: Scores, scale_rewards: Any) -> None:
    groups = _groups(scores)
    theirs = _score(oracle, groups, scores, use_vllm=False, scale_rewards=scale_rewards)
    weights = {f"r{k}": WEIGHTS[k] for k in range(len(scores[0]))}
    ours = group_advantages(groups, weights, scale_rewards=scale_rewards)
    assert sum(ours.advantages, []) == pytest.approx(theirs["advantages"].tolist(), rel=1e-5, abs=1e-6)
    logged = oracle.trainer._metrics["train"]
    figures = reward_statistics(groups, ours)
    assert figures["reward"] == pytest.approx(logged["reward"][0], rel=1e-5)
    assert figures["reward_std"] == pytest.approx(logged["reward_std"][0], rel=1e-5)
    if scale_rewards != "batch":  # TRL's figure is of the batch there; ours always of the groups
        assert figures["frac_reward_zero_std"] == pytest.approx(logged["frac_reward_zero_std"][0])


@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES.keys())
def test_normalize_then_sum(oracle: Any, scores: Scores) -> None:
    groups = _groups(scores)
    theirs = _score(oracle, groups, scores, use_vllm=False, multi_objective_aggregation="normalize_then_sum")
    weights = {f"r{k}": WEIGHTS[k] for k in range(len(scores[0]))}
    ours = group_advantages(groups, weights, aggregation="normalize_then_sum")
    assert sum(ours.advantages, []) == pytest.approx(theirs["advantages"].tolist(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("mask_truncated", [False, True])
@pytest.mark.parametrize(("mode", "level"), [("truncate", "token"), ("mask", "token"), ("truncate", "sequence")])
def test_from_groups_to_gradient(oracle: Any, mask_truncated: bool, mode: Any, level: Any) -> None:
    """TRL's whole path, its own mismatch weights included, beside ours, for a loss with equal denominators."""
    scores = SCORES["two rewards"]
    groups = _groups(scores)
    settings = LossSettings(loss_type="dapo", mismatch_mode=mode, mismatch_level=level, mismatch_cap=1.2)
    inputs = _score(
        oracle,
        groups,
        scores,
        use_vllm=True,
        vllm_importance_sampling_correction=True,
        vllm_importance_sampling_mode=f"{level}_{mode}",
        vllm_importance_sampling_clip_min=None,
        vllm_importance_sampling_clip_max=1.2,
        mask_truncated_completions=mask_truncated,
        loss_type="dapo",
        beta=0.0,
    )
    theirs = oracle.loss(inputs)
    their_gradient = oracle.gradient(theirs)

    advantages = group_advantages(groups, dict(zip(["r0", "r1"], WEIGHTS, strict=True)))
    samples = to_samples(groups, advantages, mask_truncated=mask_truncated)
    denominators = Denominators.of(samples, MAX_COMPLETION_LENGTH)
    assert denominators.tokens == int(inputs["num_items_in_batch"])
    ours, metrics = policy_loss(_batch(oracle, samples), denominators, settings)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    for name, gradient in oracle.gradient(ours).items():
        assert (gradient - their_gradient[name]).norm() <= 1e-5 * their_gradient[name].norm(), name
    assert metrics["sampling/clipped"][0] > 0, "the case must clip some weight"


def _batch(oracle: Any, samples: Sequence[Sample]) -> TokenBatch:
    parts = []
    for sample in samples:
        ids = torch.tensor([sample.prompt_ids + sample.completion_ids])
        logits = oracle.model(input_ids=ids, use_cache=False).logits[0, len(sample.prompt_ids) - 1 : -1]
        parts.append(selective_logprobs(logits, torch.tensor(sample.completion_ids))[0])
    logprobs = torch.cat(parts)
    lengths = torch.tensor([len(sample.completion_ids) for sample in samples])
    return TokenBatch(
        logprobs=logprobs,
        old_logprobs=logprobs.detach(),
        sampling_logprobs=torch.tensor([x for sample in samples for x in sample.sampling_logprobs]),
        ref_logprobs=None,
        advantages=torch.tensor([sample.advantage for sample in samples]),
        sample_of=torch.arange(len(samples)).repeat_interleave(lengths),
        lengths=lengths,
        counted=torch.tensor([sample.counted for sample in samples]),
    )
