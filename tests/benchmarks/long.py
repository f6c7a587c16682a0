"""How an update's memory and time grow with the length of completions (run by hand, minutes).

    python tests/benchmarks/long.py MODEL_FOLDER [--lengths 1024 2048 4096 8192] [--generations 2] [--prompt 64]
        [--dtype bfloat16] [--no-checkpointing] [--json FILE]

One group of equally long completions in one micro-batch; each length in a process of its own, a warm-up round and one
that counts. `a token` is what the peak grows by from the length before, over the tokens that came with it: memory that
is linear in tokens has the same figure in every line.
"""

import argparse
import json
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.benchmarks import memory
from tests.benchmarks.update import ours

KIB, GIB = 2**10, 2**30


def measure(arguments: argparse.Namespace, answer: Connection) -> None:
    """Seconds of the second round and the peak over both, beyond what the process held before the model was loaded."""
    before = memory.start()
    update = ours(arguments)
    update()
    answer.send({"seconds": update()["seconds"], "peak": memory.peak() - before})


def at_length(length: int, arguments: argparse.Namespace) -> dict[str, Any]:
    tokens = arguments.prompt + arguments.generations * length
    sized = argparse.Namespace(
        **vars(arguments), prompts=1, completion=f"uniform:{length}:{length}", tokens=tokens, dead=0.0
    )
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=measure, args=(sized, there))
    process.start()
    there.close()
    found = here.recv()
    process.join()
    return {"length": length, "tokens": tokens, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 2048, 4096, 8192])
    parser.add_argument("--generations", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--no-checkpointing", dest="checkpointing", action="store_false")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"{'length':>8}{'tokens':>8}{'s':>9}{'peak GiB':>10}{'KiB a token':>13}")
    rows: list[dict[str, Any]] = []
    for length in arguments.lengths:
        row = at_length(length, arguments)
        grown = ""
        if rows:
            row["kib_a_token"] = (row["peak"] - rows[-1]["peak"]) / (row["tokens"] - rows[-1]["tokens"]) / KIB
            grown = f"{row['kib_a_token']:.1f}"
        rows.append(row)
        print(f"{length:>8}{row['tokens']:>8}{row['seconds']:>9.1f}{row['peak'] / GIB:>10.2f}{grown:>13}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
