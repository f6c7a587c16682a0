"""How soon does the command answer: seconds to the end of `--help` and to the end of the quickstart's plan.

python tests/benchmarks/start.py [--rounds 5] [--json FILE]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What is run, and how the line begins after which the reader has all that was asked for.
CASES = {"help": (["--help"], "Shipped recipes"), "plan": (["quickstart", "--dry-run"], "checking data")}


def seconds_to(arguments: list[str], line: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "grpo.cli.train", *arguments], cwd=folder, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        seen = any(text.startswith(line) for text in process.stdout)
        spent = time.perf_counter() - started
        process.kill()
        process.wait()
    if not seen:
        raise SystemExit(f"{' '.join(arguments)}: no line began with {line!r}")
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {name: [seconds_to(*case) for _ in range(options.rounds)] for name, case in CASES.items()}
    for name, seconds in found.items():
        print(f"{name:6} {statistics.median(seconds):5.2f} s  ({min(seconds):.2f} to {max(seconds):.2f})")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
