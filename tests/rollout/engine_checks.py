"""What both engines must do, as plain functions over an engine and the trainer's side of its policy."""

from collections.abc import Sequence

import pytest
import torch

from grpo.errors import UserError
from grpo.recipe.fields import Sampling
from grpo.records import Completion
from grpo.rollout.engine import Engine
from grpo.rollout.sampling_filters import sampling_logprobs

TOKENS = 24


def by_place(completions: Sequence[Completion]) -> dict[tuple[str, int], Completion]:
    return {(completion.prompt_id, completion.sample): completion for completion in completions}


def check_sampled_logprobs(engine: Engine, trainer, sampling: Sampling, tolerance: float) -> None:
    """The engine's log-prob of each token is that of the distribution after temperature and filters."""
    prompts = {prompt.id: prompt for prompt in trainer.prompts()}
    completions = list(engine.generate(trainer.requests(), sampling))
    assert len(completions) == len(trainer.requests())
    for completion in completions:
        prompt = list(prompts[completion.prompt_id].token_ids)
        tokens = list(completion.token_ids)
        logits = trainer.model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
        expected = sampling_logprobs(logits, sampling).gather(1, torch.tensor(tokens)[:, None])[:, 0]
        assert completion.logprobs == pytest.approx(expected.tolist(), abs=tolerance)


def check_reproducible(engine: Engine, trainer) -> None:
    """Same seeds, same completions; a sample's tokens do not depend on which others are asked for."""
    sampling = Sampling(max_completion_length=TOKENS)
    state = torch.get_rng_state()
    first = by_place(list(engine.generate(trainer.requests(), sampling)))
    again = by_place(list(engine.generate(trainer.requests(), sampling)))
    alone = by_place(list(engine.generate(trainer.requests()[5:6], sampling)))
    assert first == again
    for place, completion in alone.items():
        assert first[place].token_ids == completion.token_ids
    assert torch.equal(torch.get_rng_state(), state)
    texts = {completion.token_ids for completion in first.values()}
    assert len(texts) > len(first) // 2


def check_ends(engine: Engine, trainer) -> None:
    """Finish reasons, the end-of-sequence token in the ids and not in the text, hand-over before the round ends."""
    completions = list(engine.generate(trainer.requests(8), Sampling(max_completion_length=TOKENS)))
    reasons = {completion.finish_reason for completion in completions}
    assert reasons == {"stop", "length"}
    eos = next(iter(trainer.eos_ids))
    for completion in completions:
        ended = completion.token_ids[-1] == eos
        assert ended == (completion.finish_reason == "stop")
        assert eos not in completion.token_ids[:-1]
        assert len(completion.token_ids) == TOKENS or ended
        assert trainer.tokenizer.eos_token not in completion.text
        kept = [token for token in completion.token_ids if token not in {eos, trainer.tokenizer.pad_token_id}]
        assert completion.text == trainer.tokenizer.decode(kept, skip_special_tokens=False)
    lengths = [len(completion.token_ids) for completion in completions]
    assert lengths == sorted(lengths)  # shorter ones come first: each was handed on when it finished


def check_stop_strings(engine: Engine, trainer) -> None:
    """A completion ends with the token that completes a stop string, and its text keeps the string."""
    free = list(engine.generate(trainer.requests(), Sampling(max_completion_length=TOKENS)))
    longest = max(free, key=lambda completion: len(completion.text))
    stop = longest.text[4:6]
    stopped = list(engine.generate(trainer.requests(), Sampling(max_completion_length=TOKENS, stop=(stop,))))
    cut = by_place(stopped)[longest.prompt_id, longest.sample]
    prefixes = [longest.token_ids[:count] for count in range(1, len(longest.token_ids) + 1)]
    shortest = next(prefix for prefix in prefixes if stop in trainer.tokenizer.decode(prefix))
    assert (cut.token_ids, cut.finish_reason) == (shortest, "stop")
    assert cut.text == trainer.tokenizer.decode(shortest)
    assert len(cut.logprobs) == len(cut.token_ids)
    others = [completion for completion in stopped if stop not in completion.text]
    assert others and all(completion in free for completion in others)


def check_greedy(engine: Engine, trainer) -> None:
    completions = list(engine.generate(trainer.requests(1), Sampling(temperature=0, max_completion_length=8)))
    for completion in completions:
        tokens = list(next(p for p in trainer.prompts() if p.id == completion.prompt_id).token_ids)
        for token in completion.token_ids:
            assert token == trainer.model(torch.tensor([tokens])).logits[0, -1].argmax().item()
            tokens.append(token)
        assert completion.logprobs == (0.0,) * len(completion.token_ids)


def check_too_long(engine: Engine, trainer, max_model_len: int) -> None:
    with pytest.raises(UserError, match=r"12\+34= has 6 tokens"):
        next(engine.generate(trainer.requests(1), Sampling(max_completion_length=max_model_len - 5)))


def check_abandoned(engine: Engine, trainer) -> None:
    """A caller that stops early leaves nothing behind: the next round gives what it would have given."""
    sampling = Sampling(max_completion_length=TOKENS)
    whole = list(engine.generate(trainer.requests(), sampling))
    rest = engine.generate(trainer.requests(), sampling)
    assert next(rest) == whole[0]
    rest.close()
    assert list(engine.generate(trainer.requests(), sampling)) == whole


def check_sync(engine: Engine, trainer, tolerance: float) -> None:
    """New weights are sampled with, and completions say so; every name is in the receipt."""
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
            parameter.add_((0.2 * parameter.float().std() * noise).to(parameter.dtype))
    before = engine.logprobs(trainer.probe())
    receipt = engine.sync(trainer.weights(), version=41)
    assert receipt.version == engine.weight_version == 41
    assert receipt.names == {name for name, _ in trainer.weights()}
    assert receipt.unreceived == ()
    after = engine.logprobs(trainer.probe())
    flat = lambda rows: [value for row in rows for value in row]  # noqa: E731
    assert flat(after) == pytest.approx(flat(trainer.score(trainer.probe())), abs=tolerance)
    assert max(abs(a - b) for a, b in zip(flat(before), flat(after), strict=True)) > 0.1
    (completion,) = engine.generate(trainer.requests(1)[:1], Sampling(max_completion_length=4))
    assert completion.weight_version == 41
