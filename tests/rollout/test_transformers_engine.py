"""The decode loop over transformers, against a plain forward."""

from collections.abc import Iterator

import pytest

from grpo.recipe.fields import Sampling
from grpo.rollout.engine import NEVER_SYNCED, Engine
from tests.rollout import engine_checks as checks
from tests.rollout.conftest import MAX_MODEL_LEN


@pytest.fixture
def trainer(peaked):
    return peaked()


@pytest.fixture
def engine(trainer) -> Iterator[Engine]:
    opened = trainer.open("transformers")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_completion_length=checks.TOKENS),
        Sampling(max_completion_length=checks.TOKENS, temperature=0.7, top_p=0.8),
        Sampling(max_completion_length=checks.TOKENS, top_k=5),
        Sampling(max_completion_length=checks.TOKENS, min_p=0.1),
    ],
    ids=["plain", "top_p", "top_k", "min_p"],
)
def test_logprobs_are_of_the_distribution_sampled_from(engine: Engine, trainer, sampling: Sampling) -> None:
    checks.check_sampled_logprobs(engine, trainer, sampling, tolerance=2e-4)


def test_seeds_decide(engine: Engine, trainer) -> None:
    checks.check_reproducible(engine, trainer)


def test_completions_end_and_are_handed_on(engine: Engine, trainer) -> None:
    checks.check_ends(engine, trainer)


def test_stop_strings(engine: Engine, trainer) -> None:
    checks.check_stop_strings(engine, trainer)


def test_greedy(engine: Engine, trainer) -> None:
    checks.check_greedy(engine, trainer)


def test_a_prompt_that_leaves_no_room_is_refused(engine: Engine, trainer) -> None:
    checks.check_too_long(engine, trainer, MAX_MODEL_LEN)


def test_abandoned_rounds(engine: Engine, trainer) -> None:
    checks.check_abandoned(engine, trainer)


def test_batches_smaller_than_a_round_give_the_same_tokens(trainer) -> None:
    """Rows do not see their neighbours or their padding."""
    sampling = Sampling(max_completion_length=checks.TOKENS)
    tokens = []
    for batch in (3, 32):
        engine = trainer.open("transformers", max_num_seqs=batch)
        tokens.append(
            {
                place: c.token_ids
                for place, c in checks.by_place(list(engine.generate(trainer.requests(), sampling))).items()
            }
        )
        engine.close()
    assert tokens[0] == tokens[1]


@pytest.mark.parametrize("tied", [True, False])
def test_sync(peaked, tied: bool) -> None:
    trainer = peaked(tied=tied)
    engine = trainer.open("transformers")
    assert engine.weight_version == NEVER_SYNCED
    checks.check_sync(engine, trainer, tolerance=1e-4)
    engine.close()


def test_a_missing_tensor_is_in_the_receipt(engine: Engine, trainer) -> None:
    dropped = "model.layers.1.self_attn.k_proj.weight"
    receipt = engine.sync([item for item in trainer.weights() if item[0] != dropped], version=1)
    assert receipt.unreceived == (dropped,)
