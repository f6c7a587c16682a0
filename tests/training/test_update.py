from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grpo.algorithm.losses import Denominators, LossSettings, TokenBatch, policy_loss
from grpo.errors import GuardError
from grpo.recipe.fields import Lora
from grpo.recipe.rl_settings import RLSettings
from grpo.training.padded import PaddedRows
from grpo.training.shared import SharedPrompts
from grpo.training.update import Updater
from tests.training.cases import make_samples, policy_of, relative

Make = Callable[..., Updater]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(budget=st.integers(min_value=1, max_value=400), seed=st.integers(min_value=0, max_value=5))
def test_micro_batches_never_change_the_gradient(updater: Make, budget: int, seed: int) -> None:
    samples = make_samples(10, seed)
    whole = updater(tokens_per_microbatch=100_000).gradient(samples, 20)
    assert relative(updater(tokens_per_microbatch=budget).gradient(samples, 20), whole) < 1e-6


@pytest.mark.parametrize(
    ("loss_type", "mode"),
    [(loss_type, "truncate") for loss_type in ("grpo", "dr_grpo", "dapo", "cispo", "reinforce")] + [("dapo", "as_old")],
)
def test_the_gradient_is_that_of_one_plain_forward_per_sample(
    updater: Make, folder: Path, loss_type: str, mode: str
) -> None:
    samples = make_samples(6)
    chosen_by = {"loss_type": loss_type, "mismatch": {"mode": mode}}
    ours = updater(**chosen_by, tokens_per_microbatch=64).gradient(samples, 20)
    policy = policy_of(folder)
    chosen = LossSettings.from_recipe(RLSettings(steps=1, **chosen_by))
    denominators = Denominators.of(samples, 20)
    for sample in samples:
        ids = torch.tensor([[*sample.prompt_ids, *sample.completion_ids]])
        logits = policy.model(ids, use_cache=False).logits[0, len(sample.prompt_ids) - 1 : -1].float()
        targets = torch.tensor(sample.completion_ids)
        logprobs = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
        sampling = torch.tensor(sample.sampling_logprobs)
        tokens = TokenBatch(
            logprobs=logprobs,
            old_logprobs=sampling if mode == "as_old" else logprobs.detach(),
            sampling_logprobs=sampling,
            ref_logprobs=None,
            advantages=torch.tensor([sample.advantage]),
            sample_of=torch.zeros(len(targets), dtype=torch.long),
            lengths=torch.tensor([len(targets)]),
            counted=torch.tensor([True]),
        )
        policy_loss(tokens, denominators, chosen)[0].backward()
    assert relative(ours, {name: weight.grad for name, weight in policy.model.named_parameters()}) < 1e-5


def test_where_the_engines_logprobs_are_the_old_ones_no_pass_scores_them(
    updater: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_samples(8)
    samples[0] = replace(samples[0], sampling_logprobs=(float("-inf"), *samples[0].sampling_logprobs[1:]))
    monkeypatch.setattr(Updater, "_score", None)  # it would be called
    figures = updater(updates_per_step=4, mismatch={"mode": "as_old"}).round(samples, 20)
    assert figures["sampling/nonfinite"] > 0 and figures["sampling/logp_difference"] > 0
    assert "sampling/clipped" not in figures
    with pytest.raises(TypeError):
        updater(updates_per_step=4).round(samples, 20)


@pytest.mark.parametrize("loss_type", get_args(RLSettings.model_fields["loss_type"].annotation))
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_padded_rows_give_the_same_gradient(updater: Make, loss_type: str, beta: float) -> None:
    samples = [replace(sample, prompt_id="p", prompt_ids=(9, 8, 7)) for sample in make_samples(8)]
    padded, shared = (updater(layout=layout, loss_type=loss_type, beta=beta) for layout in ("padded", "auto"))
    assert isinstance(padded._layout, PaddedRows) and isinstance(shared._layout, SharedPrompts)
    row = shared._layout.build(samples, range(8), "cpu").token_ids
    assert row.numel() < sum(len(sample.prompt_ids + sample.completion_ids) for sample in samples)
    assert relative(padded.gradient(samples, 20), shared.gradient(samples, 20)) < 1e-5


def test_samples_without_a_coefficient_take_no_forward_and_stay_in_the_denominator(updater: Make) -> None:
    samples = make_samples(12, zero_every=2)
    trainer = updater(loss_type="dapo")
    planned = trainer._plan(samples, range(12), 20)
    assert sum(len(batch.samples) for batch in planned.batches) == 6
    assert planned.denominators.tokens == sum(len(sample.completion_ids) for sample in samples)
    # A coefficient that is tiny instead of zero takes every forward and gives the same gradient.
    nearly = [replace(sample, advantage=sample.advantage or 1e-12) for sample in samples]
    assert (
        relative(updater(loss_type="dapo").gradient(samples, 20), updater(loss_type="dapo").gradient(nearly, 20)) < 1e-6
    )


def test_with_a_reference_nothing_is_dropped(updater: Make) -> None:
    samples = make_samples(12, zero_every=2)
    planned = updater(beta=0.04)._plan(samples, range(12), 20)
    assert sum(len(batch.samples) for batch in planned.batches) == 12


def test_the_reference_gives_no_kl_at_the_start_and_some_after_an_update(updater: Make) -> None:
    trainer = updater(beta=0.1)
    first, second = (trainer.round(make_samples(8), 20) for _ in range(2))
    assert first["kl"] == pytest.approx(0.0, abs=1e-9)
    assert second["kl"] > 1e-6


def test_four_updates_use_old_log_probs_from_the_start_of_the_round(updater: Make) -> None:
    samples = make_samples(16)
    trainer, by_hand = updater(updates_per_step=4, learning_rate=1e-2), updater(learning_rate=1e-2)
    scored = trainer.logprobs([[*sample.prompt_ids, *sample.completion_ids] for sample in samples])
    old = {s.prompt_id: values[-len(s.completion_ids) :] for s, values in zip(samples, scored, strict=True)}
    figures = trainer.round(samples, 20)
    for start in range(0, 16, 4):
        part = range(start, start + 4)
        update = by_hand._plan(samples, part, 20)
        if start:
            update.old = [
                torch.tensor([value for index in batch.samples for value in old[samples[index].prompt_id]])
                for batch in update.batches
            ]
        by_hand._accumulate(update, samples)
        by_hand._step()
    assert trainer.updates_done == by_hand.updates_done == 4
    assert relative(dict(trainer._masters.weights), dict(by_hand._masters.weights)) < 1e-6
    assert figures["clip_ratio/region_mean"] > 0  # later updates are off-policy, so the ratio left its band somewhere


def test_saved_and_loaded_it_goes_on_bit_for_bit(updater: Make, tmp_path: Path) -> None:
    undisturbed, stopped, resumed = updater(), updater(), updater()
    for step in range(2):
        undisturbed.round(make_samples(8, step), 20)
        stopped.round(make_samples(8, step), 20)
    stopped.save(tmp_path)
    resumed.load(tmp_path)
    undisturbed.round(make_samples(8, 2), 20)
    resumed.round(make_samples(8, 2), 20)
    for name, weight in undisturbed._masters.weights.items():
        assert torch.equal(weight, resumed._masters.weights[name]), name


def test_a_checkpoint_of_another_policy_is_refused(updater: Make, tmp_path: Path) -> None:
    updater().save(tmp_path)
    with pytest.raises(Exception, match="does not fit the policy"):
        updater(lora=Lora(r=2)).load(tmp_path)


def test_a_gradient_that_is_not_finite_stops_the_run_and_leaves_the_weights(updater: Make) -> None:
    trainer = updater()
    before = {name: weight.clone() for name, weight in trainer._masters.weights.items()}
    samples = [replace(sample, advantage=float("nan")) for sample in make_samples(4)]
    with pytest.raises(GuardError, match="not finite"):
        trainer.round(samples, 20)
    assert all(torch.equal(before[name], weight) for name, weight in trainer._masters.weights.items())


def test_the_memory_probe_learns_nothing(updater: Make) -> None:
    trainer = updater()
    before = {name: weight.clone() for name, weight in trainer._masters.weights.items()}
    trainer.probe_memory(9, 20)
    assert trainer.updates_done == 0
    assert all(torch.equal(before[name], weight) for name, weight in trainer._masters.weights.items())


def test_bf16_learns_at_a_rate_that_bf16_weights_alone_would_lose(updater: Make) -> None:
    """A weight of 0.07 has bf16 neighbours 4.9e-4 apart: steps of 1e-6 round away unless fp32 masters keep them."""
    trainer = updater(dtype="bfloat16", learning_rate=1e-6)
    policy = trainer._policy.model
    start = {name: weight.clone() for name, weight in trainer._masters.weights.items()}
    plain = {name: weight.detach().clone() for name, weight in policy.named_parameters()}
    for _ in range(5):
        trainer.round(make_samples(8), 20)
    moved = sum((weight != start[name]).sum().item() for name, weight in trainer._masters.weights.items())
    total = sum(weight.numel() for weight in start.values())
    assert moved / total > 0.8  # embeddings of unseen characters get no gradient
    lost = sum((weight == plain[name]).sum().item() for name, weight in policy.named_parameters())
    assert lost / total > 0.9  # the rounded policy itself hardly moves yet


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_lora_learns_and_leaves_the_base_alone(updater: Make, dtype: str) -> None:
    trainer = updater(dtype=dtype, lora=Lora(r=4), beta=0.05)
    frozen = {n: w.clone() for n, w in trainer._policy.model.named_parameters() if not w.requires_grad}
    figures = [trainer.round(make_samples(8), 20) for _ in range(2)]
    assert figures[0]["kl"] == pytest.approx(0.0, abs=1e-9)
    assert figures[1]["kl"] > 0
    assert all(torch.equal(frozen[n], w) for n, w in trainer._policy.model.named_parameters() if not w.requires_grad)
