"""What keeping freed memory saves an update on a CPU, beside glibc's habit of handing it back (by hand, minutes).

    python tests/benchmarks/faults.py MODEL_FOLDER [--rounds 5] [shapes as in update.py]

Both are our update over the same rollouts, each in a process of its own, taking turns.
"""

import argparse
import json
import resource
from pathlib import Path
from statistics import median

import grpo.training.update
from tests.benchmarks.update import Round, ours, shapes, take_turns


def kept(arguments: argparse.Namespace) -> Round:
    return counted(ours(arguments))


def handed_back(arguments: argparse.Namespace) -> Round:
    grpo.training.update.keep_freed_memory = lambda: None
    return counted(ours(arguments))


def counted(update: Round) -> Round:
    """With the page faults of each round beside its seconds."""

    def round_() -> dict[str, float]:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        figures = update()
        return figures | {"faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before}

    return round_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shapes(parser)
    arguments = parser.parse_args()
    rounds, peaks = take_turns({"kept": kept, "handed back": handed_back}, arguments)
    print(f"{'freed memory':14} {'s (median)':>10} {'× kept':>8} {'range':>14} {'page faults':>12} {'peak GiB':>9}")
    for name, peak in peaks.items():
        each = [found[name]["seconds"] / found["kept"]["seconds"] for found in rounds[1:]]
        seconds, faults = (median(found[name][figure] for found in rounds[1:]) for figure in ("seconds", "faults"))
        spread = f"{median(each):8.2f} {min(each):6.2f} - {max(each):5.2f}"
        print(f"{name:14} {seconds:10.3f} {spread} {faults:12,.0f} {peak / 2**30:9.2f}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"rounds": rounds, "peak_bytes": peaks}, indent=1))


if __name__ == "__main__":
    main()
