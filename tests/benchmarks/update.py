"""One update, ours beside TRL's GRPOTrainer: same model, same fixed rollouts, same loss (run by hand, minutes).

    python tests/benchmarks/update.py MODEL_FOLDER [--prompt 128] [--completion uniform:32:128] [--rounds 5]
        [--prompts 4] [--generations 8] [--microbatch 8] [--dtype bfloat16] [--checkpointing] [--dead 0.0] [--json FILE]

Each side has a process of its own and they take turns: a warm-up round, then `rounds` rounds of forward, backward, clip
and AdamW over the same rollouts. Both compute in `dtype` on fp32 masters (TRL: fp32 weights under autocast). TRL pads
the batch as its trainer does (prompts left, completions right, to the longest of the batch) and takes `microbatch`
samples at a time; we take the micro-batches of `--tokens`. The loss is dapo at beta 0 without a mismatch correction.

`TRL, vLLM` is TRL with the pass for old log-probs that it takes before the update wherever vLLM samples. `dead` is the
share of groups whose advantages are all zero. Peak memory is over what the process held before the model was loaded.
`predicted` is the ratio of the operations that both ways take in matrix products, attention left out.
"""

import argparse
import json
import math
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import median

import torch

from grpo.recipe.shape import shape_of_folder
from grpo.records import Sample
from tests.benchmarks import memory

Round = Callable[[], dict[str, float]]
"""One update; seconds by name, and figures to compare."""


def rollouts(arguments: argparse.Namespace, vocabulary: int) -> list[Sample]:
    """Groups of random tokens with advantages of both signs."""
    draw = Random(0)
    samples = []
    for group in range(arguments.prompts):
        prompt = tuple(draw.randrange(10, vocabulary) for _ in range(arguments.prompt))
        dead = group < round(arguments.dead * arguments.prompts)
        for _ in range(arguments.generations):
            length = completion_length(arguments.completion, draw)
            tokens = tuple(draw.randrange(10, vocabulary) for _ in range(length))
            advantage = 0.0 if dead else draw.choice([-1, 1]) * draw.uniform(0.5, 1.5)
            samples.append(Sample(str(group), prompt, tokens, (0.0,) * length, advantage))
    return samples


def completion_length(distribution: str, draw: Random) -> int:
    """`uniform:LOW:HIGH`, or `lognormal:MEDIAN:SIGMA:HIGH`."""
    name, *numbers = distribution.split(":")
    if name == "uniform":
        low, high = map(int, numbers)
        return draw.randint(low, high)
    middle, sigma, high = float(numbers[0]), float(numbers[1]), int(numbers[2])
    return max(1, min(high, round(draw.lognormvariate(math.log(middle), sigma))))


def ours(arguments: argparse.Namespace) -> Round:
    from grpo.models.policy import load_policy
    from grpo.recipe.fields import Mismatch, Model
    from grpo.recipe.rl_settings import RLSettings
    from grpo.training.update import Updater

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = Model(path=arguments.model, dtype=arguments.dtype)
    policy = load_policy(model, arguments.model, gradient_checkpointing=arguments.checkpointing, device=device)
    settings = RLSettings(
        steps=1,
        prompts_per_step=arguments.prompts,
        num_generations=arguments.generations,
        tokens_per_microbatch=arguments.tokens,
        learning_rate=1e-6,
        mismatch=Mismatch(mode="off"),
    )
    updater = Updater(policy, settings, total_updates=1000)
    samples = rollouts(arguments, policy.model.config.vocab_size)  # type: ignore[union-attr,arg-type]
    longest = max(len(sample.completion_ids) for sample in samples)

    def update() -> dict[str, float]:
        start = time.perf_counter()
        figures = updater.round(samples, longest)
        return {"seconds": time.perf_counter() - start, "loss": figures["loss"], "grad_norm": figures["grad_norm"]}

    return update


def theirs(arguments: argparse.Namespace) -> Round:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    batch = arguments.prompts * arguments.generations
    config = GRPOConfig(
        output_dir="/tmp/unused",
        per_device_train_batch_size=arguments.microbatch,
        gradient_accumulation_steps=batch // arguments.microbatch,
        num_generations=arguments.generations,
        learning_rate=1e-6,
        bf16=arguments.dtype == "bfloat16",
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=arguments.checkpointing,
        loss_type="dapo",
        beta=0.0,
        report_to=[],
    )
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32),
        reward_funcs=[lambda completions, **columns: [0.0] * len(completions)],
        args=config,
        train_dataset=Dataset.from_list([{"prompt": "x"}] * batch),
        processing_class=AutoTokenizer.from_pretrained(arguments.model),
    )
    model = trainer.model.train()
    trainer.current_gradient_accumulation_steps = config.gradient_accumulation_steps
    optimizer = trainer.create_optimizer()
    samples = rollouts(arguments, model.config.vocab_size)
    whole = padded(samples, model.device)

    def score() -> None:
        ids = torch.cat([whole["prompt_ids"], whole["completion_ids"]], 1)
        mask = torch.cat([whole["prompt_mask"], whole["completion_mask"]], 1)
        with torch.no_grad():
            trainer._get_per_token_logps_and_entropies(
                model, ids, mask, whole["completion_ids"].shape[1], batch_size=arguments.microbatch
            )

    def update() -> dict[str, float]:
        start = time.perf_counter()
        total = 0.0
        for first in range(0, batch, arguments.microbatch):
            inputs = {
                name: value[first : first + arguments.microbatch] if value.dim() else value
                for name, value in whole.items()
            }
            with trainer.compute_loss_context_manager():
                loss = trainer._compute_loss(model, inputs)
            loss.backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        updated = time.perf_counter()
        score()
        synchronize()
        scored = time.perf_counter()
        return {
            "seconds": updated - start, "with_scoring": scored - start, "loss": total, "grad_norm": norm,
        }  # fmt: skip

    return update


def padded(samples: Sequence[Sample], device: torch.device) -> dict[str, torch.Tensor]:
    """The batch as TRL's trainer makes it."""

    def pad(rows: list[tuple[int, ...]], side: str) -> torch.Tensor:
        tensors = [torch.tensor(row) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_side=side).to(device)

    prompts, completions = [s.prompt_ids for s in samples], [s.completion_ids for s in samples]
    return {
        "prompt_ids": pad(prompts, "left"),
        "prompt_mask": pad([(1,) * len(row) for row in prompts], "left"),
        "completion_ids": pad(completions, "right"),
        "completion_mask": pad([(1,) * len(row) for row in completions], "right"),
        "advantages": torch.tensor([sample.advantage for sample in samples], device=device),
        "num_items_in_batch": torch.tensor(sum(map(len, completions)), device=device),
    }


def predicted(arguments: argparse.Namespace) -> dict[str, float]:
    """Operations of each side over ours, in the products with weights alone: 2 a weight and token forward, 4 backward,
    2 more where layers are checkpointed. The model's embedding is taken to be its head."""
    shape = shape_of_folder(Path(arguments.model))
    if shape is None:
        return {}
    head = shape.hidden_size * shape.vocabulary
    body, each = shape.parameters - head, 8 if arguments.checkpointing else 6
    samples = rollouts(arguments, shape.vocabulary)
    living = [sample for sample in samples if sample.advantage]
    completions, longest = sum(len(s.completion_ids) for s in living), max(len(s.completion_ids) for s in samples)
    forwarded = completions - len(living) + arguments.prompt * len({sample.prompt_id for sample in living})
    ours = each * body * forwarded + 6 * head * completions
    tokens = len(samples) * (arguments.prompt + longest), len(samples) * longest
    theirs, scoring = (n * body * tokens[0] + m * head * tokens[1] for n, m in ((each, 6), (2, 2)))
    return {"ours": 1.0, "TRL": theirs / ours, "TRL, vLLM": (theirs + scoring) / ours}


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def serve(side: Callable[[argparse.Namespace], Round], arguments: argparse.Namespace, turns: Connection) -> None:
    """In a process of its own: a round whenever asked, the peak of memory at last."""
    torch.manual_seed(0)
    before = memory.start()
    update = side(arguments)
    turns.send("ready")
    while turns.recv() == "round":
        synchronize()
        turns.send(update())
    turns.send(memory.peak() - before)


def take_turns(
    sides: Mapping[str, Callable[[argparse.Namespace], Round]], arguments: argparse.Namespace
) -> tuple[list[dict[str, dict[str, float]]], dict[str, int]]:
    """Figures of every round by side, the first of which warms up, and the peak memory of each side."""
    context = multiprocessing.get_context("spawn")
    turns: dict[str, Connection] = {}
    for name, side in sides.items():  # one after the other: loading is not measured
        turns[name], there = context.Pipe()
        context.Process(target=serve, args=(side, arguments, there), daemon=True).start()
        assert turns[name].recv() == "ready"
    rounds = []
    for _ in range(arguments.rounds + 1):
        found = {}
        for name, turn in turns.items():
            turn.send("round")
            found[name] = turn.recv()
        rounds.append(found)
    for turn in turns.values():
        turn.send("end")
    return rounds, {name: turn.recv() for name, turn in turns.items()}


def shapes(parser: argparse.ArgumentParser) -> None:
    """The model, the rollouts, and how they are computed."""
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--generations", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=128, help="tokens of a prompt")
    parser.add_argument("--completion", default="uniform:32:128", help=completion_length.__doc__)
    parser.add_argument("--tokens", type=int, default=4096, help="our tokens a micro-batch")
    parser.add_argument("--dead", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--json", type=Path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shapes(parser)
    parser.add_argument("--microbatch", type=int, default=8, help="TRL's samples a micro-batch")
    arguments = parser.parse_args()

    report(arguments, *take_turns({"ours": ours, "TRL": theirs}, arguments))


def report(arguments: argparse.Namespace, rounds: list[dict[str, dict[str, float]]], peaks: dict[str, int]) -> None:
    first, measured = rounds[0], rounds[1:]
    seconds = {
        "ours": [found["ours"]["seconds"] for found in measured],
        "TRL": [found["TRL"]["seconds"] for found in measured],
        "TRL, vLLM": [found["TRL"]["with_scoring"] for found in measured],
    }
    print(f"loss     ours {first['ours']['loss']:.6f}  TRL {first['TRL']['loss']:.6f}")
    print(f"gradient ours {first['ours']['grad_norm']:.5f}  TRL {first['TRL']['grad_norm']:.5f} (norm)")
    print(f"{'':10} {'s (median)':>10} {'× ours':>8} {'range':>14} {'predicted':>10} {'peak GiB':>9}")
    ratios, expected = {}, predicted(arguments)
    for name, values in seconds.items():
        each = [theirs / ours for theirs, ours in zip(values, seconds["ours"], strict=True)]
        ratios[name] = {"median": median(each), "lowest": min(each), "highest": max(each)}
        peak = f"{peaks[name] / 2**30:9.2f}" if name in peaks else ""
        ahead = f"{expected[name]:10.2f}" if expected else f"{'':10}"
        print(
            f"{name:10} {median(values):10.3f} {median(each):8.2f} {min(each):6.2f} - {max(each):5.2f} {ahead} {peak}"
        )
    if arguments.json:
        settings = {name: value for name, value in vars(arguments).items() if name != "json"}
        arguments.json.write_text(
            json.dumps(
                {
                    "settings": settings,
                    "rounds": rounds,
                    "ratios": ratios,
                    "predicted": expected,
                    "peak_bytes": peaks,
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
