"""Our loss and gradient against TRL 1.16's `GRPOTrainer._compute_loss`, in fp32, relative 1e-5.

TRL sees a padded batch (prompts left, completions right); we see each sequence alone, without padding, through the
same weights. Where names or defaults differ:
- `epsilon_high` in TRL is an absolute cap in cispo, and so it is with us; elsewhere both clip at 1 + epsilon_high.
- TRL's `use_bias_correction_kl=True` (its default) is our `k3_unbiased`.
- TRL's bnpo divides by its micro-batch's tokens: equal to dapo where the micro-batch is the whole update.
- TRL's mismatch weight is computed outside the loss (grpo_trainer.py:2659-2707) and injected; `_trl_weights` restates
  it.
"""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from grpo.algorithm.logprobs import selective_logprobs
from grpo.algorithm.losses import Denominators, LossSettings, TokenBatch, policy_loss
from grpo.algorithm.ratios import importance_ratio

MAX_COMPLETION_LENGTH = 10
TOLERANCE = 1e-5
PROMPT_LENGTHS = (3, 5, 2, 4)
COMPLETION_LENGTHS = (7, 2, 10, 1)
ADVANTAGES = (1.3, -0.4, 0.9, -0.3)  # both signs, but not so balanced that the loss cancels to rounding noise


@dataclass(frozen=True)
class Case:
    """One padded batch: everything TRL's loss reads, [4, longest]."""

    prompt_ids: Tensor
    prompt_mask: Tensor
    completion_ids: Tensor
    completion_mask: Tensor
    old: Tensor
    sampling: Tensor
    reference: Tensor
    advantages: Tensor

    def rows(self, first: int, last: int) -> "Case":
        return Case(**{name: getattr(self, name)[first:last] for name in self.__dataclass_fields__})

    def flat(self, padded: Tensor) -> Tensor:
        return padded[self.completion_mask.bool()]


@pytest.fixture(scope="module")
def cases(oracles: dict) -> dict[float, Case]:
    return {temperature: _case(oracle) for temperature, oracle in oracles.items()}


def _case(oracle: Any) -> Case:
    generator = torch.Generator().manual_seed(7)
    prompts = [torch.randint(2, 32, (n,), generator=generator) for n in PROMPT_LENGTHS]
    completions = [torch.randint(2, 32, (n,), generator=generator) for n in COMPLETION_LENGTHS]
    completion_ids = _pad(completions, left=False)
    blank = torch.zeros_like(completion_ids, dtype=torch.float32)
    case = Case(
        prompt_ids=_pad(prompts, left=True),
        prompt_mask=_pad([torch.ones_like(p) for p in prompts], left=True),
        completion_ids=completion_ids,
        completion_mask=_pad([torch.ones_like(c) for c in completions], left=False),
        old=blank,
        sampling=blank,
        reference=blank,
        advantages=torch.tensor(ADVANTAGES),
    )
    with torch.no_grad():
        logprobs = blank.masked_scatter(case.completion_mask.bool(), _our_logprobs(oracle, case))
    shape = logprobs.shape
    # an offset a sequence, so that sequence-level ratios leave the clip range too
    drift = 0.25 * torch.randn(shape, generator=generator) + torch.tensor([[-0.5], [0.4], [0.02], [-0.7]])
    return replace(
        case,
        old=logprobs + drift,
        sampling=logprobs + drift + 0.3 * torch.randn(shape, generator=generator),
        reference=logprobs + 0.5 * torch.randn(shape, generator=generator),
    )


def _pad(rows: list[Tensor], *, left: bool) -> Tensor:
    side = "left" if left else "right"
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side=side)


def _our_logprobs(oracle: Any, case: Case) -> Tensor:
    """[T] through the model, one unpadded sequence at a time."""
    parts = []
    for row in range(len(case.advantages)):
        prompt = case.prompt_ids[row][case.prompt_mask[row].bool()]
        completion = case.completion_ids[row][case.completion_mask[row].bool()]
        if not len(completion):
            continue
        logits = oracle.model(input_ids=torch.cat([prompt, completion])[None], use_cache=False).logits[0]
        parts.append(selective_logprobs(logits[len(prompt) - 1 : -1], completion, oracle.temperature)[0])
    return torch.cat(parts)


def _our_batch(oracle: Any, case: Case, *, on_policy: bool = False) -> TokenBatch:
    logprobs = _our_logprobs(oracle, case)
    lengths = case.completion_mask.sum(1)
    return TokenBatch(
        logprobs=logprobs,
        old_logprobs=logprobs.detach() if on_policy else case.flat(case.old),
        sampling_logprobs=case.flat(case.sampling),
        ref_logprobs=case.flat(case.reference),
        advantages=case.advantages,
        sample_of=torch.arange(len(lengths)).repeat_interleave(lengths),
        lengths=lengths,
        counted=lengths > 0,
    )


def _our_denominators(case: Case) -> Denominators:
    lengths = case.completion_mask.sum(1)
    return Denominators(int((lengths > 0).sum()), int(lengths.sum()), MAX_COMPLETION_LENGTH)


def _trl_inputs(case: Case, settings: LossSettings, *, on_policy: bool = False) -> dict[str, Tensor]:
    inputs = {
        "prompt_ids": case.prompt_ids,
        "prompt_mask": case.prompt_mask,
        "completion_ids": case.completion_ids,
        "completion_mask": case.completion_mask,
        "advantages": case.advantages,
        "num_items_in_batch": case.completion_mask.sum(),
        "ref_per_token_logps": case.reference,
    }
    if not on_policy:
        inputs["old_per_token_logps"] = case.old
    if settings.mismatch_mode != "off":
        inputs["importance_sampling_ratio"] = _trl_weights(case, settings)
    return inputs


def _trl_weights(case: Case, settings: LossSettings) -> Tensor:
    """trl/trainer/grpo_trainer.py:2662-2703; its clip_min is None by default, which is our floor 0."""
    difference = (case.old - case.sampling) * case.completion_mask
    if settings.mismatch_level == "sequence":
        difference = difference.sum(-1, keepdim=True)
    ratio = torch.exp(difference)
    low, high = settings.mismatch_floor, settings.mismatch_cap
    if settings.mismatch_mode == "truncate":
        return torch.clamp(ratio, min=low, max=high)
    return ratio.masked_fill((ratio < low) | (ratio > high), 0.0)


def _configure(oracle: Any, settings: LossSettings) -> None:
    upper = settings.upper if settings.loss_type == "cispo" else settings.upper - 1.0
    oracle.configure(
        loss_type=settings.loss_type,
        importance_sampling_level=settings.importance_sampling_level,
        epsilon_low=settings.epsilon,
        epsilon_high=upper,
        delta=settings.delta,
        beta=settings.beta,
        use_bias_correction_kl=settings.kl_estimator == "k3_unbiased",
        use_vllm=settings.mismatch_mode != "off",
        vllm_importance_sampling_correction=settings.mismatch_mode != "off",
    )


def _assert_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Over all weights, and in each of them (with room for those whose own gradient is mostly rounding)."""
    flat, expected = (torch.cat([g.flatten() for g in gradient.values()]) for gradient in (ours, theirs))
    assert (flat - expected).norm() <= TOLERANCE * expected.norm()
    for name, gradient in theirs.items():
        room = TOLERANCE * max(gradient.norm(), 0.1 * expected.norm())
        assert (ours[name] - gradient).norm() <= room, name


def _compare(oracle: Any, case: Case, settings: LossSettings, *, on_policy: bool = False) -> None:
    _configure(oracle, settings)
    theirs = oracle.loss(_trl_inputs(case, settings, on_policy=on_policy))
    their_gradient = oracle.gradient(theirs)
    ours, _ = policy_loss(_our_batch(oracle, case, on_policy=on_policy), _our_denominators(case), settings)
    assert ours.item() == pytest.approx(theirs.item(), rel=TOLERANCE)
    _assert_equal(oracle.gradient(ours), their_gradient)


def test_the_case_reaches_every_branch(oracles: dict, cases: dict) -> None:
    """Clipped high and low, beyond delta, and inside: else the comparison below would prove little."""
    for temperature, case in cases.items():
        batch = _our_batch(oracles[temperature], case)
        for level in ("token", "sequence"):
            ratio, advantage = importance_ratio(batch, level), batch.advantages_at(level)
            assert ((ratio > 1.2) & (advantage > 0)).any()
            assert ((ratio < 0.8) & (advantage < 0)).any()
            assert ((ratio > 1.5) & (advantage < 0)).any()
            assert ((ratio > 0.8) & (ratio < 1.2)).any()


CLIPS = {
    "symmetric": {"epsilon": 0.2},
    "clip_higher": {"epsilon": 0.2, "epsilon_high": 0.28},
    "delta": {"epsilon": 0.2, "delta": 1.5},
}
CISPO_CLIPS = {"default": {}, "cap": {"epsilon_high": 1.2}}
KLS = {
    "no_kl": {},
    "k3": {"beta": 0.04},
    "k3_unbiased": {"beta": 0.04, "kl_estimator": "k3_unbiased"},
}
GRID = [
    pytest.param({"loss_type": loss_type} | clip | kl, id=f"{loss_type}-{clip_name}-{kl_name}")
    for loss_type in ("grpo", "bnpo", "dr_grpo", "dapo", "cispo")
    for (clip_name, clip), (kl_name, kl) in itertools.product(
        (CISPO_CLIPS if loss_type == "cispo" else CLIPS).items(), KLS.items()
    )
]
temperatures = pytest.mark.parametrize("temperature", [1.0, 0.7])
levels = pytest.mark.parametrize("level", ["token", "sequence"])


@temperatures
@levels
@pytest.mark.parametrize("options", GRID)
def test_loss_and_gradient(oracles: dict, cases: dict, temperature: float, level: Any, options: dict[str, Any]) -> None:
    settings = LossSettings(importance_sampling_level=level, mismatch_mode="off", **options)
    _compare(oracles[temperature], cases[temperature], settings)


@temperatures
@levels
@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo", "cispo"])
def test_first_update_without_old_logprobs(
    oracles: dict, cases: dict, temperature: float, level: Any, loss_type: Any
) -> None:
    settings = LossSettings(
        loss_type=loss_type,
        importance_sampling_level=level,
        beta=0.04,
        kl_estimator="k3_unbiased",
        mismatch_mode="off",
    )
    _compare(oracles[temperature], cases[temperature], settings, on_policy=True)


@temperatures
@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo", "cispo"])
@pytest.mark.parametrize("mode", ["truncate", "mask"])
@pytest.mark.parametrize("mismatch_level", ["token", "sequence"])
@pytest.mark.parametrize(("cap", "floor"), [(1.2, 0.0), (3.0, 0.0), (1.3, 0.8)])
def test_mismatch_weights(
    oracles: dict,
    cases: dict,
    temperature: float,
    loss_type: Any,
    mode: Any,
    mismatch_level: Any,
    cap: float,
    floor: float,
) -> None:
    settings = LossSettings(
        loss_type=loss_type,
        beta=0.04,
        mismatch_mode=mode,
        mismatch_level=mismatch_level,
        mismatch_cap=cap,
        mismatch_floor=floor,
    )
    _compare(oracles[temperature], cases[temperature], settings)


@temperatures
@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo", "cispo"])
def test_two_microbatches_of_one_update(oracles: dict, cases: dict, temperature: float, loss_type: Any) -> None:
    """TRL divides by `current_gradient_accumulation_steps`; our shares have global denominators."""
    oracle, case = oracles[temperature], cases[temperature]
    settings = LossSettings(loss_type=loss_type, mismatch_mode="off", beta=0.04)
    _configure(oracle, settings)
    trainer, whole = oracle.trainer, case.completion_mask.sum()
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation = 2
    halves = [case.rows(0, 2), case.rows(2, 4)]
    theirs = sum(oracle.loss(_trl_inputs(half, settings) | {"num_items_in_batch": whole}) for half in halves)
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation = 1
    their_gradient = oracle.gradient(theirs)
    denominators = _our_denominators(case)
    ours = sum(policy_loss(_our_batch(oracle, half), denominators, settings)[0] for half in halves)
    assert ours.item() == pytest.approx(theirs.item(), rel=TOLERANCE)
    _assert_equal(oracle.gradient(ours), their_gradient)


@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo", "cispo"])
def test_masked_truncated_completion(oracles: dict, cases: dict, loss_type: Any) -> None:
    """Equal per token. TRL leaves the masked completion in the batch size of grpo and dr_grpo; ours counts 3 of 4."""
    oracle, case = oracles[1.0], cases[1.0]
    mask = case.completion_mask.clone()
    mask[2] = 0
    case = replace(case, completion_mask=mask)
    settings = LossSettings(loss_type=loss_type, mismatch_mode="off")
    _configure(oracle, settings)
    theirs = oracle.loss(_trl_inputs(case, settings))
    their_gradient = oracle.gradient(theirs)
    ours, _ = policy_loss(_our_batch(oracle, case), _our_denominators(case), settings)
    scale = 3 / 4 if loss_type in ("grpo", "dr_grpo") else 1.0
    assert ours.item() * scale == pytest.approx(theirs.item(), rel=TOLERANCE)
    _assert_equal({name: g * scale for name, g in oracle.gradient(ours).items()}, their_gradient)


def test_figures_have_trls_values(oracles: dict, cases: dict) -> None:
    oracle, case = oracles[1.0], cases[1.0]
    for level in ("token", "sequence"):
        settings = LossSettings(importance_sampling_level=level, mismatch_mode="off", beta=0.04)
        _configure(oracle, settings)
        logged = oracle.trainer._metrics["train"]
        logged.clear()
        oracle.loss(_trl_inputs(case, settings))
        _, metrics = policy_loss(_our_batch(oracle, case), _our_denominators(case), settings)
        for name in ("kl", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"):
            total, count = metrics[name].tolist()
            assert total / count == pytest.approx(logged[name][0], rel=1e-5), name
        assert not math.isclose(logged["clip_ratio/region_mean"][0], 0.0), "the case must clip something"
