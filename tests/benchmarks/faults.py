"""What keeping freed memory saves an update on a CPU, beside glibc's habit of handing it back (by hand, minutes).

    python tests/benchmarks/faults.py MODEL_FOLDER [--rounds 5] [shapes as in update.py]

Both are our update over the same rollouts, each in a process of its own, taking turns.
"""

import argparse
import json
import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import torch

import grpo.training.update
from tests.benchmarks import memory
from tests.benchmarks.update import ours, shapes


def serve(kept: bool, arguments: argparse.Namespace, turns: Connection) -> None:
    """A round whenever asked, its seconds and page faults; the peak of memory at last."""
    torch.manual_seed(0)
    if not kept:
        grpo.training.update.keep_freed_memory = lambda: None
    before = memory.start()
    update: Callable[[], dict[str, float]] = ours(arguments)
    while turns.recv() == "round":
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        seconds = update()["seconds"]
        turns.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults))
    turns.send(memory.peak() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shapes(parser)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    sides: dict[str, Connection] = {}
    for name, kept in (("kept", True), ("handed back", False)):
        sides[name], there = context.Pipe()
        context.Process(target=serve, args=(kept, arguments, there), daemon=True).start()
    rounds: list[dict[str, tuple[float, int]]] = []
    for _ in range(arguments.rounds + 1):  # the first warms up
        found = {}
        for name, side in sides.items():
            side.send("round")
            found[name] = side.recv()
        rounds.append(found)
    peaks = {}
    for name, side in sides.items():
        side.send("end")
        peaks[name] = side.recv()
    print(f"{'freed memory':14} {'s (median)':>10} {'× kept':>8} {'range':>14} {'page faults':>12} {'peak GiB':>9}")
    for name in sides:
        each = [found[name][0] / found["kept"][0] for found in rounds[1:]]
        seconds, faults = (median(found[name][part] for found in rounds[1:]) for part in (0, 1))
        spread = f"{median(each):8.2f} {min(each):6.2f} - {max(each):5.2f}"
        print(f"{name:14} {seconds:10.3f} {spread} {faults:12,.0f} {peaks[name] / 2**30:9.2f}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"rounds": rounds, "peak_bytes": peaks}, indent=1))


if __name__ == "__main__":
    main()
