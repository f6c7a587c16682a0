"""Log-probs and entropy of scored tokens with their gradient: piece by piece, beside whole logits (run by hand).

    python tests/benchmarks/head.py [--tokens 1024 4096] [--vocabulary 49152 151936] [--hidden 576] [--rounds 3]
        [--dtype bfloat16] [--json FILE]

`plain` is what a trainer does without care: all logits, log-softmax in fp32, autograd. Both give the gradient of the
head and of the hidden states; each size and side has a process of its own.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from grpo.training.backward import pieces
from grpo.training.forward import scored, tokens_per_chunk
from tests.benchmarks.own_process import measured

GIB = 2**30


def inputs(arguments: argparse.Namespace) -> tuple[nn.Module, Tensor, Tensor]:
    config = LlamaConfig(
        vocab_size=arguments.vocabulary, hidden_size=arguments.hidden, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1, tie_word_embeddings=True,
    )  # fmt: skip
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = LlamaForCausalLM(config).to(device, getattr(torch, arguments.dtype))
    hidden = torch.randn(arguments.tokens, arguments.hidden, device=device, dtype=model.dtype)
    return model, hidden, torch.randint(arguments.vocabulary, (arguments.tokens,), device=device)


def ours(arguments: argparse.Namespace) -> Callable[[], None]:
    model, hidden, targets = inputs(arguments)
    chunk = tokens_per_chunk(model, hidden.device)

    def work() -> None:
        for piece in pieces([len(targets)], chunk, whole=False):
            states = hidden[piece.tokens].detach().requires_grad_()
            logprobs, _ = scored(model, states, targets[piece.tokens], 1.0, chunk)
            logprobs.sum().backward()

    return work


def plain(arguments: argparse.Namespace) -> Callable[[], None]:
    model, hidden, targets = inputs(arguments)
    head = model.get_output_embeddings()  # type: ignore[operator]

    def work() -> None:
        logprobs = head(hidden.detach().requires_grad_()).float().log_softmax(-1)
        with torch.no_grad():
            (-logprobs.exp() * logprobs).sum(-1)
        logprobs.gather(-1, targets[:, None]).sum().backward()

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--vocabulary", type=int, nargs="+", default=[49152, 151936])
    parser.add_argument("--hidden", type=int, default=576)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"{'V':>7} {'tokens':>7} {'s':>7} {'plain s':>8} {'peak GiB':>9} {'plain GiB':>10}")
    rows = []
    for vocabulary in options.vocabulary:
        for tokens in options.tokens:
            sized = argparse.Namespace(vocabulary=vocabulary, tokens=tokens, hidden=options.hidden, dtype=options.dtype)
            found = {side.__name__: measured(side, sized, options.rounds) for side in (ours, plain)}
            own, other = found["ours"], found["plain"]
            print(
                f"{vocabulary:7} {tokens:7} {own['seconds']:7.2f} {other['seconds']:8.2f} {own['peak'] / GIB:9.2f} "
                f"{other['peak'] / GIB:10.2f}"
            )
            rows.append({**vars(sized), **found})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
