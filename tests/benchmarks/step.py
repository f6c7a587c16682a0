"""Where a step's time goes, phase by phase, from the record of a run, and how far each is from its floor (by hand).

    python tests/benchmarks/step.py RUN_DIR [RUN_DIR …] [--skip 5] [--json FILE]

Medians over the steps after `skip`. The floor of update and sampling is arithmetic: floating-point operations that this
step could not do without, over the rate that matrix products of the model's own sizes reach on this machine, here and
now, in the run's precision. Update: 6 operations a weight and token forwarded (prompts once a group; only completions
with an advantage where beta is 0), the head's weights at scored tokens alone. Sampling: 2 a weight and token sampled,
prompts once a group. Attention is left out of both, and sampling's floor is that of one large batch: a real decoder
reads every weight for each of its steps.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
import yaml

from grpo.recipe.shape import ModelShape, shape_of_folder
from grpo.report.completions import read


@dataclass(frozen=True)
class Work:
    """Tokens of one step. forwarded, scored: of the update. sampled: by the engine; prompts: once a group."""

    forwarded: int
    scored: int
    sampled: int
    prompts: int


def work_of(rollouts: Path, beta: float) -> Work:
    rows = read(rollouts)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["prompt_id"], []).append(row)
    forwarded = scored = 0
    for group in groups.values():
        trained = [row for row in group if row["advantage"] or beta]
        if trained:
            scored += sum(row["completion_tokens"] for row in trained)
            forwarded += group[0]["prompt_tokens"] + sum(row["completion_tokens"] - 1 for row in trained)
    prompts = sum(group[0]["prompt_tokens"] for group in groups.values())
    return Work(forwarded, scored, sum(row["completion_tokens"] for row in rows), prompts)


def rate(shape: ModelShape, dtype: torch.dtype, device: str) -> float:
    """Operations a second of [4096, H] × [H, F] products, the best of some."""
    left = torch.randn(4096, shape.hidden_size, dtype=dtype, device=device)
    right = torch.randn(shape.hidden_size, shape.intermediate_size, dtype=dtype, device=device)
    best = 0.0
    for _ in range(20):
        start = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * left.numel() * shape.intermediate_size / (time.perf_counter() - start))
    return best


def stages_of(run_dir: Path) -> list[Path]:
    return sorted(path.parent for path in run_dir.glob("*/times.jsonl"))


def report(stage: Path, skip: int) -> dict[str, Any]:
    recipe = yaml.safe_load((stage.parent / "recipe.yaml").read_text())
    settings = recipe["stages"][stage.name]
    times = [json.loads(line) for line in (stage / "times.jsonl").read_text().splitlines()][skip:]
    shape = next(filter(None, map(shape_of_folder, [stage / "final", Path(str(recipe["model"].get("path")))])))
    dtype, device = getattr(torch, recipe["model"]["dtype"]), "cuda" if torch.cuda.is_available() else "cpu"
    speed = rate(shape, dtype, device)
    head = shape.hidden_size * shape.vocabulary
    body = shape.parameters - head  # an embedding is looked up, not multiplied; a tied one is the head
    floors: dict[str, list[float]] = {"update": [], "sample": []}
    for entry in times:
        work = work_of(stage / "rollouts" / f"step_{entry['step']:06d}.jsonl.gz", settings["beta"])
        floors["update"].append(6 * (body * work.forwarded + head * work.scored) / speed)
        floors["sample"].append(2 * (body * (work.prompts + work.sampled) + head * work.sampled) / speed)
    phases = sorted({phase for entry in times for phase in entry["seconds"]})
    seconds = {phase: median(entry["seconds"].get(phase, 0.0) for entry in times) for phase in phases}
    whole = median(sum(entry["seconds"].values()) for entry in times)
    print(f"\n{stage}: {len(times)} steps, {whole:.2f} s each; products reach {speed / 1e9:.0f} GFLOPS ({device})")
    print(f"{'phase':10} {'s (median)':>10} {'share':>7} {'floor s':>9} {'× floor':>8}")
    result: dict[str, Any] = {"stage": str(stage), "seconds": seconds, "whole": whole, "flops": speed, "floors": {}}
    for phase in sorted(phases, key=lambda phase: -seconds[phase]):
        line = f"{phase:10} {seconds[phase]:10.3f} {seconds[phase] / whole:7.0%}"
        if phase in floors:
            floor = median(floors[phase])
            gap = median(e["seconds"].get(phase, 0.0) / f for e, f in zip(times, floors[phase], strict=True) if f)
            result["floors"][phase] = {"seconds": floor, "gap": gap}
            line += f" {floor:9.3f} {gap:8.1f}"
        print(line)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--skip", type=int, default=5, help="steps at the start that are left out")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = [report(stage, arguments.skip) for run in arguments.runs for stage in stages_of(run)]
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
