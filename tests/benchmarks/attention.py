"""Attention of one group, forward and backward: the prompt once, beside a padded row a completion (run by hand).

    python tests/benchmarks/attention.py [--prompts 128 512 2048] [--completion 128] [--generations 8] [--heads 9]
        [--kv-heads 3] [--size 64] [--rounds 5] [--dtype bfloat16] [--json FILE]

Attention alone, without projections: what sharing saves in the other layers is in `update.py`. `work` is the ratio of
query-key pairs, what the times would be if they followed the arithmetic.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.nn.functional import scaled_dot_product_attention

from grpo.models.path_attention import path_attention
from grpo.records import Sample
from grpo.training.shared import SharedPrompts
from tests.benchmarks.own_process import measured

MIB = 2**20


def states(arguments: argparse.Namespace, rows: int, length: int) -> list[torch.Tensor]:
    """Queries, keys and values."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    heads = (arguments.heads, arguments.kv_heads, arguments.kv_heads)
    dtype = getattr(torch, arguments.dtype)
    return [torch.randn(rows, h, length, arguments.size, device=device, dtype=dtype, requires_grad=True) for h in heads]


def shared(arguments: argparse.Namespace) -> Callable[[], None]:
    prompt, own = (1,) * arguments.prompt, (1,) * arguments.completion
    samples = [Sample("p", prompt, own, (0.0,) * len(own), 1.0) for _ in range(arguments.generations)]
    inputs = states(arguments, 1, arguments.prompt + arguments.generations * (arguments.completion - 1))
    batch = SharedPrompts().build(samples, range(len(samples)), inputs[0].device)
    module = SimpleNamespace(num_key_value_groups=arguments.heads // arguments.kv_heads)

    def work() -> None:
        out, _ = path_attention(module, *inputs, None, paths=batch.paths)  # type: ignore[arg-type]
        out.sum().backward()

    return work


def padded(arguments: argparse.Namespace) -> Callable[[], None]:
    inputs = states(arguments, arguments.generations, arguments.prompt + arguments.completion - 1)

    def work() -> None:
        scaled_dot_product_attention(*inputs, is_causal=True, enable_gqa=True).sum().backward()

    return work


def pairs(prompt: int, completion: int, generations: int) -> float:
    """Query-key pairs of padded rows over those of the shared row."""
    whole = prompt + completion
    one = whole * whole / 2
    return generations * one / (prompt * prompt / 2 + generations * (one - prompt * prompt / 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, nargs="+", default=[128, 512, 2048])
    parser.add_argument("--completion", type=int, default=128)
    parser.add_argument("--generations", type=int, default=8)
    parser.add_argument("--heads", type=int, default=9)
    parser.add_argument("--kv-heads", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"{'P':>5} {'C':>5} {'G':>3} {'ms':>8} {'padded ms':>10} {'ratio':>6} {'work':>5} {'MiB':>7} {'padded':>7}")
    rows = []
    for prompt in options.prompts:
        sized = argparse.Namespace(**vars(options), prompt=prompt)
        found = {side.__name__: measured(side, sized, options.rounds) for side in (shared, padded)}
        own, other = found["shared"], found["padded"]
        print(
            f"{prompt:5} {options.completion:5} {options.generations:3} {own['seconds'] * 1e3:8.1f} "
            f"{other['seconds'] * 1e3:10.1f} {other['seconds'] / own['seconds']:6.2f} "
            f"{pairs(prompt, options.completion, options.generations):5.2f} "
            f"{own['peak'] / MIB:7.0f} {other['peak'] / MIB:7.0f}"
        )
        rows.append({"prompt": prompt, **found})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
