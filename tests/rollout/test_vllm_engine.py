"""vLLM on CPU, in this process, against transformers in fp32."""

from collections.abc import Iterator

import pytest
import torch

from grpo.recipe.fields import Sampling
from grpo.records import Prompt
from grpo.rollout.engine import NEVER_SYNCED, Engine, Request
from tests.rollout import engine_checks as checks
from tests.rollout.conftest import MAX_MODEL_LEN

pytest.importorskip("vllm")

BATCHED_TOKENS = 256


@pytest.fixture(scope="module")
def trainer(peaked):
    return peaked()


@pytest.fixture(scope="module")
def engine(trainer) -> Iterator[Engine]:
    state, threads = torch.get_rng_state(), (torch.set_num_threads, torch.get_num_threads())
    opened = trainer.open("vllm", engine_args={"max_num_batched_tokens": BATCHED_TOKENS})
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.set_num_threads, torch.get_num_threads()) == threads
    assert opened.weight_version == NEVER_SYNCED
    yield opened
    opened.close()
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


def test_teacher_forced_logprobs(engine: Engine, trainer) -> None:
    sequences = [*trainer.probe(), [5], list(range(4, 100))]
    theirs, ours = engine.logprobs(sequences), trainer.score(sequences)
    assert [len(row) for row in theirs] == [len(sequence) - 1 for sequence in sequences]
    for row, expected in zip(theirs, ours, strict=True):
        assert row == pytest.approx(expected, abs=2e-4)


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


def test_more_prompt_tokens_than_one_engine_step_takes(engine: Engine, trainer) -> None:
    """vLLM cannot split a seeded prompt over two steps on CPU."""
    prompts = [Prompt(str(n), "", tuple(4 + (n * i) % 90 for i in range(100))) for n in range(3, 10)]
    requests = [Request(prompt, sample, sample) for prompt in prompts for sample in range(2)]
    completions = list(engine.generate(requests, Sampling(max_completion_length=8)))
    assert len(completions) == len(requests)


def test_special_tokens_stay_in_the_text(engine: Engine, trainer) -> None:
    """Every id but end-of-sequence and padding is readable, think tags and other special tokens included."""
    completions = list(engine.generate(trainer.requests(32), Sampling(max_completion_length=checks.TOKENS)))
    special = {trainer.tokenizer.bos_token_id: trainer.tokenizer.bos_token}
    special[trainer.tokenizer.convert_tokens_to_ids("<think>")] = "<think>"
    seen = set()
    for completion in completions:
        for token in special.keys() & set(completion.token_ids):
            assert special[token] in completion.text
            seen.add(token)
    assert seen == special.keys()


def test_sync(engine: Engine, trainer) -> None:
    checks.check_sync(engine, trainer, tolerance=2e-4)
    lost = "model.layers.1.self_attn.k_proj.weight"
    receipt = engine.sync([item for item in trainer.weights() if item[0] != lost], version=42)
    assert receipt.unreceived[0] == lost
    assert receipt.unreceived[1].startswith("model.layers.1.self_attn.qkv_proj (received ")
    receipt = engine.sync([item for item in trainer.weights() if item[0] != "model.embed_tokens.weight"], version=43)
    assert "lm_head.weight" in receipt.unreceived
    assert engine.sync(trainer.weights(), version=44).unreceived == ()
