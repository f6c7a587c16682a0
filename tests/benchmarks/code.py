"""How fast is the code reward? Small programs through the pool, launcher and sandbox and all (run by hand, a minute).

    python tests/benchmarks/code.py [--programs 600] [--workers 2] [--out code.json]

`functions`: three asserts on an `add`, as MBPP has them; `scripts`: one case by stdin and stdout; `wrong`: a program
that fails its first assert. Each is judged once by a pool that is already warm. `cpu_ms_each` is the CPU time of pool,
judge, launcher and sandbox together, which a busy machine changes less than the wall clock; `per_second_idle` is what
two idle cores would do with it. Asserts nothing.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from rewards.pool import Pool, RewardSpec

FUNCTIONS = {"test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0", "assert add(-1, 1) == 0"]}
SCRIPTS = {"cases": [{"input": "1 2\n", "output": "3\n"}]}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "functions": ("```python\ndef add(a, b):\n    return a + b  # {}\n```", FUNCTIONS),
    "scripts": ("```python\nprint(sum(map(int, input().split())))  # {}\n```", SCRIPTS),
    "wrong": ("```python\ndef add(a, b):\n    return a - b  # {}\n```", FUNCTIONS),
}
COLUMNS = ("layer", "kind", "programs", "workers", "seconds", "per_second", "cpu_ms_each", "per_second_idle")


def cpu_seconds(pid: int) -> float:
    """Of a process, of its descendants that live, and of those that have ended and were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    children = [
        child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return ticks / os.sysconf("SC_CLK_TCK") + sum(cpu_seconds(int(child)) for child in children)


def measure(layer: str, kind: str, programs: int, workers: int) -> dict[str, Any]:
    text, row = KINDS[kind]
    with Pool({"code": RewardSpec("code", {"layer": layer})}, workers) as pool:
        for index in range(2 * workers):
            pool.submit(index, "code", text.format("warm"), row)
        pool.collect()
        start, before = time.monotonic(), cpu_seconds(os.getpid())
        for index in range(programs):
            pool.submit(index, "code", text.format(index), row)
        judged = pool.collect()
        seconds, used = time.monotonic() - start, cpu_seconds(os.getpid()) - before
    expected = 0.0 if kind == "wrong" else 1.0
    wrong = sum(getattr(verdict, "score", None) != expected for verdict in judged.values())
    found = {"layer": layer, "kind": kind, "programs": programs, "workers": workers, "seconds": round(seconds, 2)}
    found |= {"per_second": round(programs / seconds, 1), "cpu_ms_each": round(1000 * used / programs, 2)}
    return found | {"per_second_idle": round(2 * programs / used, 1), "misjudged": wrong}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=600)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--layers", nargs="+", default=["none", "namespaces", "auto"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    print("  ".join(f"{column:>11}" for column in COLUMNS))
    found = []
    for layer in options.layers:
        for kind in KINDS:
            found.append(measure(layer, kind, options.programs, options.workers))
            print("  ".join(f"{found[-1][column]!s:>11}" for column in COLUMNS), flush=True)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
