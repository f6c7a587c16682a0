"""The toy R1 over seeds: every policy's figures, what each stage took, and distillation beside RL alone (run by hand).

    python tests/benchmarks/r1.py FOLDER [--seeds 0 1 2] [--recipe r1/tiny] [--json FILE]

Runs FOLDER/seed_N of each seed (one that is done is only read) and prints a table of pass@1 in percent, policies by
seeds, and one of seconds and sampled tokens by stage.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from grpo.recipe.graph import order, policy_of
from grpo.recipe.load import load_recipe
from grpo.recipe.sampled_stages import EvaluateStage
from grpo.recipe.schema import Recipe

Entry = dict[str, Any]


def run(recipe: str, folder: Path, seed: int) -> dict[str, Entry]:
    """What the ledgers of a finished run say, by stage."""
    run_dir = folder / f"seed_{seed}"
    command = [sys.executable, "-m", "grpo.cli.train", recipe, f"run_dir={run_dir}", f"seed={seed}"]
    with (folder / f"seed_{seed}.log").open("a") as log:
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)
    return {path.parent.name: json.loads(path.read_text()) for path in run_dir.glob("*/stage.json")}


def figures(recipe: Recipe, runs: list[dict[str, Entry]]) -> list[str]:
    """pass@1 of every policy, a column a seed, by benchmark and reward."""
    exams = {policy_of(recipe.stages, name): name for name, s in recipe.stages.items() if isinstance(s, EvaluateStage)}
    first = runs[0][next(iter(exams.values()))]["metrics"]
    lines = []
    for figure in sorted(name for name in first if name.endswith("pass@1") and "greedy" not in name):
        lines += [f"\n{figure}", f"{'':<14}" + "".join(f"{f'run {n}':>22}" for n in range(len(runs))) + f"{'mean':>8}"]
        for policy, exam in exams.items():
            metrics = [found[exam]["metrics"] for found in runs]
            cells = [
                f"{100 * m[figure]:.1f} [{100 * m[f'{figure}_low']:.1f}, {100 * m[f'{figure}_high']:.1f}]"
                for m in metrics
            ]
            mean = 100 * fmean(m[figure] for m in metrics)
            lines.append(f"{policy:<14}" + "".join(f"{cell:>22}" for cell in cells) + f"{mean:>8.1f}")
    return lines


def costs(recipe: Recipe, runs: list[dict[str, Entry]]) -> list[str]:
    """Seconds and sampled tokens of every stage, a pair of columns a seed."""
    lines = [f"\n{'stage':<20}" + "".join(f"{'s':>8}{'tokens':>10}" for _ in runs)]
    for name in order(recipe.stages):
        cells = []
        for found in runs:
            seconds = sum(launch.get("seconds", 0) for launch in found[name]["launches"])
            tokens = found[name]["metrics"].get("completion_tokens")
            cells.append(f"{seconds:>8.0f}{'' if tokens is None else f'{tokens:,.0f}':>10}")
        lines.append(f"{name:<20}" + "".join(cells))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipe", default="r1/tiny")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    runs = [run(arguments.recipe, arguments.folder, seed) for seed in arguments.seeds]
    recipe = load_recipe(arguments.recipe).recipe
    print("\n".join([*figures(recipe, runs), *costs(recipe, runs)]))
    if arguments.json:
        kept = [{name: entry["metrics"] for name, entry in found.items()} for found in runs]
        arguments.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
