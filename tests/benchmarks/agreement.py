"""Do sampler and trainer agree? Measured over real updates (run by hand, minutes).

    python tests/benchmarks/agreement.py MODEL_FOLDER [--steps 20] [--out agreement.json]

Each step samples at T=1 from the whole vocabulary, takes one update with real advantages, and syncs. On the sampled
tokens the mean |engine − trainer| of the log-probs stands beside the trainer's own noise: the trainer's model and
weights on the same tokens in two batch shapes, whole sequences [B, T] as it trains and one token a row [B, 1] over a KV
cache as a sampler computes. An engine that agrees stays within BOUND times that noise; a stale or corrupt one does not.

`regrouped` is the other noise one might mean, whole sequences together and one by one: on a CPU it is 0 or nearly so in
the trainer's own forward (a product's rounding hardly depends on the number of rows), so it bounds nothing.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch

from grpo.algorithm.advantages import group_advantages
from grpo.algorithm.samples import to_samples
from grpo.data.prompts import load_prompts
from grpo.models.policy import Policy, load_policy
from grpo.recipe.fields import Data, Model
from grpo.recipe.rl_settings import RLSettings
from grpo.records import Completion, Group, Prompt
from grpo.rollout.decode import left_padded
from grpo.rollout.engine import Engine, Request
from grpo.rollout.guards import WeightSync
from grpo.rollout.open import open_engine
from grpo.seeds import derive_seed
from grpo.training.update import Updater
from rewards.verdict import scored

BOUND = 1.5
COLUMNS = ("step", "tokens", "engine", "noise", "ratio", "regrouped", "canary", "reward")


@dataclass(frozen=True, slots=True)
class Setup:
    policy: Policy
    engine: Engine
    updater: Updater
    sync: WeightSync
    settings: RLSettings
    prompts: list[Prompt]


@contextmanager
def opened(model: Model, settings: RLSettings, prompts_in_all: int) -> Iterator[Setup]:
    assert model.path is not None
    policy = load_policy(model, model.path)
    data = Data(source="task:arithmetic", options={"count": prompts_in_all})
    prompts = load_prompts(
        data, policy.tokenizer, base=Path(), where="agreement.data", seed=0, max_prompt_tokens=None
    ).prompts
    longest = max(len(prompt.token_ids) for prompt in prompts)
    updater = Updater(policy, settings, total_updates=settings.steps or 1, seed=0)
    engine = open_engine(
        settings.rollout,
        model=model,
        folder=model.path,
        tokenizer=policy.tokenizer,
        eos_ids=policy.eos_ids,
        max_model_len=longest + settings.max_completion_length + 1,
        seed=0,
    )
    probe = [list(prompt.token_ids) for prompt in prompts[:4]]
    sync = WeightSync(engine, policy.named_weights, updater.logprobs, probe)
    try:
        yield Setup(policy, engine, updater, sync, settings, list(prompts))
    finally:
        engine.close()


def sample(setup: Setup, step: int) -> list[Group]:
    per_step, group = setup.settings.prompts_per_step, setup.settings.num_generations
    prompts = [setup.prompts[(step * per_step + index) % len(setup.prompts)] for index in range(per_step)]
    requests = [Request(prompt, n, derive_seed(0, step, prompt.id, n)) for prompt in prompts for n in range(group)]
    found: dict[str, list[Completion]] = {prompt.id: [] for prompt in prompts}
    for completion in setup.engine.generate(requests, setup.settings):
        found[completion.prompt_id].append(completion)
    return [
        Group(
            prompt,
            completions := tuple(sorted(found[prompt.id], key=lambda completion: completion.sample)),
            tuple({"digits": scored(share_of_digits(completion.text))} for completion in completions),
        )
        for prompt in prompts
    ]


def share_of_digits(text: str) -> float:
    """A reward with spread in every group, so that every step has a gradient."""
    return sum(map(str.isdigit, text)) / max(len(text), 1)


def compare(setup: Setup, groups: Sequence[Group]) -> tuple[int, float, float, float]:
    """Sampled tokens, and mean |difference| in nats from the trainer's log-probs: of the engine's, of the trainer's own
    token by token, of the trainer's own sequence by sequence."""
    pairs = [(group.prompt, completion) for group in groups for completion in group.completions]
    sequences = [[*prompt.token_ids, *completion.token_ids] for prompt, completion in pairs]
    together = setup.updater.logprobs(sequences)
    alone = [setup.updater.logprobs([sequence])[0] for sequence in sequences]
    decoded = token_by_token(setup.policy, pairs)
    engine, noise, regrouped = [], [], []
    for (_, completion), steps, many, one in zip(pairs, decoded, together, alone, strict=True):
        ours = many[-len(completion.token_ids) :]
        engine += [abs(a - b) for a, b in zip(completion.logprobs, ours, strict=True)]
        noise += [abs(a - b) for a, b in zip(steps, ours, strict=True)]
        regrouped += [abs(a - b) for a, b in zip(many, one, strict=True)]
    return len(engine), mean(engine), mean(noise), mean(regrouped)


@torch.no_grad()
def token_by_token(policy: Policy, pairs: Sequence[tuple[Prompt, Completion]]) -> list[list[float]]:
    """Log-probs of the completions' tokens, forced through the decode loop of the transformers engine's shape."""
    from transformers import DynamicCache

    cache = DynamicCache(config=policy.model.config)
    tokens, mask = left_padded([prompt.token_ids for prompt, _ in pairs], policy.device)
    found: list[list[float]] = [[] for _ in pairs]
    for step in range(max(len(completion.token_ids) for _, completion in pairs)):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        output = policy.model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        forced = [completion.token_ids[min(step, len(completion.token_ids) - 1)] for _, completion in pairs]
        tokens = torch.tensor(forced, device=policy.device)[:, None]
        logprobs = output.logits[:, -1].float().log_softmax(-1).gather(-1, tokens)[:, 0].tolist()
        for row, logprob, (_, completion) in zip(found, logprobs, pairs, strict=True):
            if step < len(completion.token_ids):
                row.append(logprob)
        mask = torch.cat([mask, mask.new_ones(len(pairs), 1)], dim=-1)
    return found


def one_step(setup: Setup, step: int) -> dict[str, float]:
    groups = sample(setup, step)
    tokens, engine, noise, regrouped = compare(setup, groups)
    advantages = group_advantages(groups, {"digits": 1.0})
    samples = to_samples(groups, advantages, mask_truncated=False)
    setup.updater.round(samples, setup.settings.max_completion_length)
    canary = setup.sync.push(version=step + 1)["sync/canary"]
    rewards = [verdicts["digits"].score or 0.0 for group in groups for verdicts in group.verdicts]
    values = (step, tokens, engine, noise, engine / noise, regrouped, canary, mean(rewards))
    return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a from_pretrained folder")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--prompts", type=int, default=4, help="a step")
    parser.add_argument("--group", type=int, default=8, help="completions a prompt")
    parser.add_argument("--tokens", type=int, default=64, help="most tokens of a completion")
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float32"))
    parser.add_argument("--out", type=Path, default=Path("agreement.json"))
    options = parser.parse_args()
    settings = RLSettings(
        steps=options.steps,
        prompts_per_step=options.prompts,
        num_generations=options.group,
        max_completion_length=options.tokens,
        learning_rate=options.learning_rate,
        tokens_per_microbatch=4096,
    )
    rows = []
    print("".join(f"{column:>12}" for column in COLUMNS))
    with opened(Model(path=options.model, dtype=options.dtype), settings, 4 * options.prompts) as setup:
        setup.sync.prove(version=0)
        for step in range(options.steps):
            rows.append(one_step(setup, step))
            print("".join(f"{value:>12.5g}" for value in rows[-1].values()), flush=True)
    engine, noise = (sum(row[name] * row["tokens"] for row in rows) for name in ("engine", "noise"))
    worst = max(row["ratio"] for row in rows)
    held = worst <= BOUND
    print(
        f"engine / noise: {engine / noise:.3f} over all tokens, {worst:.3f} in the worst step (bound {BOUND}): {held}"
    )
    options.out.write_text(json.dumps({"options": vars(options) | {"out": str(options.out)}, "steps": rows}, indent=1))


if __name__ == "__main__":
    main()
