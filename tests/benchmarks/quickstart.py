"""The quickstart and its variants over two seeds: held-out accuracy where RL began and where it ended.

    python tests/benchmarks/quickstart.py runs/variants --seeds 0 1 --variants plain shuffled lora

Prints a table and writes `quickstart.json` into the folder. Variants of a seed share the plain run's warm start, those
in bf16 the one of `bf16` (name it before them). Those that round or have 8 bits need torchao. Run by hand (a few
minutes each); an interrupted call goes on where it stopped, as every run does. `--overrides` are for every variant,
such as `stages.zero.steps=20`.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
VARIANTS: dict[str, list[str]] = {
    "plain": [],
    "shuffled": [f"stages.zero.rewards=['{HERE / 'shuffled_rewards.py'}:shuffled']"],
    "transformers": ["stages.zero.rollout.engine=transformers"],
    "lora": ["stages.zero.lora.r=16", "stages.zero.learning_rate=2.0e-3"],
    # four times the updates: the same way at a quarter of the rate, and as many steps of warm-up
    "four_updates": [
        "stages.zero.updates_per_step=4",
        "stages.zero.learning_rate=5.0e-5",
        "stages.zero.warmup_updates=20",
    ],
    "kl": ["stages.zero.beta=0.04"],
    "padded": ["stages.zero.layout=padded"],
    "compiled": ["stages.zero.torch_compile=true"],
    "8bit": ["stages.zero.optim=adamw_torch_8bit"],
    "bf16": ["model.dtype=bfloat16"],
    "stochastic_rounding": ["model.dtype=bfloat16", "stages.zero.stochastic_rounding=true"],
    "8bit_rounded": [
        "model.dtype=bfloat16",
        "stages.zero.stochastic_rounding=true",
        "stages.zero.optim=adamw_torch_8bit",
    ],
}


def run(variant: str, seed: int, folder: Path, overrides: list[str]) -> dict[str, float | str]:
    run_dir = folder / f"{variant}_{seed}"
    shared = folder / f"{'bf16' if 'model.dtype=bfloat16' in VARIANTS[variant] else 'plain'}_{seed}"
    if run_dir != shared and (shared / "warm_start" / "stage.json").exists() and not run_dir.exists():
        run_dir.mkdir(parents=True)
        shutil.copytree(shared / "warm_start", run_dir / "warm_start")
        shutil.copytree(shared / "base", run_dir / "base")
    started = time.monotonic()
    command = [sys.executable, "-m", "grpo.cli.train", "quickstart", f"run_dir={run_dir}", f"seed={seed}"]
    with (folder / f"{variant}_{seed}.log").open("a") as log:
        subprocess.run([*command, *VARIANTS[variant], *overrides], stdout=log, stderr=subprocess.STDOUT, check=True)
    lines = [json.loads(line) for line in (run_dir / "zero" / "evaluations.jsonl").read_text().splitlines()]
    first, last = lines[0], lines[-1]
    return {
        "variant": variant,
        "seed": seed,
        "before": first["eval/pass@1"],
        "after": last["eval/pass@1"],
        "gain": last["eval/pass@1"] - first["eval/pass@1"],
        "greedy_after": last["eval/greedy/pass@1"],
        "seconds": time.monotonic() - started,
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("folder", type=Path)
    words.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    words.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    words.add_argument("--overrides", nargs="+", default=[])
    arguments = words.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    print(f"{'variant':<20}{'seed':>5}{'before':>9}{'after':>9}{'gain':>9}{'greedy':>9}{'seconds':>9}")
    for variant in arguments.variants:
        for seed in arguments.seeds:
            row = run(variant, seed, arguments.folder.resolve(), arguments.overrides)
            rows.append(row)
            print(
                f"{variant:<20}{seed:>5}{row['before']:>9.1%}{row['after']:>9.1%}{row['gain']:>+9.1%}"
                f"{row['greedy_after']:>9.1%}{row['seconds']:>9.0f}",
                flush=True,
            )
    (arguments.folder / "quickstart.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
