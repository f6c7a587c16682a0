r"""How often and how fast is the math reward right, with Math-Verify beside it? Run by hand, minutes; asserts nothing.

    python tests/benchmarks/math_grading.py --cases math_answers.jsonl --gsm8k gsm8k_outputs.jsonl \
        --math500 math500_test.jsonl [--beside FOLDER] [--workers 2] [--out math_grading.json]

Accuracy. cases and gsm8k: rows {gold, answer, expect, note}; a bare answer (`form=answer`) is put into a box for both
graders, and so is a bare reference for Math-Verify, which reads LaTeX without dollar signs as its first number. Rows
with a `policy=` note are counted apart and listed; `default` leaves out rows whose note has other settings than ours.
math500: rows {answer, solution}; every reference against its own solution, then random pairs of different answers.

Speed, in CPU seconds of one process of each grader's own (they share a parser that learns), caches empty at the start,
each on what it is best at: Math-Verify gets the last box alone, ours the whole text. Pairs of reference and answer are
distinct: random ones of MATH-500 that do not even share their digits and letters (all different; accepted ones are
listed), and those of the cases that are spelled differently and equal, so that most must be parsed. `pool` is wall
clock for a batch of 512 completions, transport included, with warm workers.

Math-Verify 0.9.0 is no dependency: `pip install --no-deps --target FOLDER math-verify==0.9.0`, and `--beside FOLDER`.
"""

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rewards import MathReward
from rewards.math.compare import decide
from rewards.math.extract import extract_answer
from rewards.math.reward import read_reference
from rewards.pool import Pool, RewardSpec

Rows = list[dict[str, Any]]
Pairs = list[tuple[str, str]]
DEFAULTS = ("float_rounding:6", "strict:True", "allow_set_relation_comp:False")


@dataclass(frozen=True)
class Grader:
    """accepts(reference, answer or completion): whether it counts as right; pair: the same of two bare answers."""

    name: str
    accepts: Callable[[str, str], bool]
    pair: Callable[[str, str], bool]
    boxes_reference: bool


def ours() -> Grader:
    reward = MathReward()
    reward.warm_up()
    return Grader(
        "ours",
        lambda reference, text: reward.judge_one(text, {"solution": reference}).score == 1.0,
        lambda reference, answer: decide(reference, answer).equal,
        boxes_reference=False,
    )


def math_verify(folder: Path | None) -> Grader | None:
    if folder:
        sys.path.insert(0, str(folder))
    try:
        from math_verify import parse, verify
    except ImportError:
        return None
    verify(parse("$1$"), parse("$1$"))
    return Grader(
        "Math-Verify",
        lambda reference, text: verify(parse(reference), parse(text)),
        lambda reference, answer: verify(parse(boxed(reference)), parse(boxed(answer))),
        boxes_reference=True,
    )


def boxed(answer: str) -> str:
    return f"\\boxed{{{answer}}}"


def read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def has_default_settings(note: str) -> bool:
    settings = re.search(r"settings=([^;]*)", note)
    names = [default.partition(":")[0] for default in DEFAULTS]
    given = [part for part in settings[1].strip().split(",") if part.partition(":")[0] in names] if settings else []
    return all(part in DEFAULTS for part in given)


def graded(grader: Grader, case: dict[str, Any]) -> bool:
    bare = "form=answer" in case["note"] and "\\boxed" not in case["answer"]
    reference = boxed(case["gold"]) if "form=answer" in case["note"] and grader.boxes_reference else case["gold"]
    return grader.accepts(reference, boxed(case["answer"]) if bare else case["answer"])


def accuracy(grader: Grader, rows: Rows) -> dict[str, Any]:
    """Right, false positives and false negatives of the settled rows; decisions on the others."""
    found: dict[str, Any] = {"rows": 0, "right": 0, "default_rows": 0, "default_right": 0}
    wrong: dict[str, list[list[str]]] = {"false_positives": [], "false_negatives": [], "policy": []}
    for case in rows:
        accepted, note = graded(grader, case), case.get("note", "")
        listed = [case["gold"][-120:], case["answer"][-120:], f"accepted={accepted}, expected={bool(case['expect'])}"]
        if "policy=" in note:
            wrong["policy"].append([*listed, note.partition("policy=")[2]])
            continue
        right, default = accepted == case["expect"], has_default_settings(note)
        found["rows"] += 1
        found["right"] += right
        found["default_rows"] += default
        found["default_right"] += default and right
        if not right:
            wrong["false_positives" if accepted else "false_negatives"].append([*listed, note])
    return {**found, **wrong}


def wrong_pairs(answers: list[str], count: int) -> Pairs:
    """Random pairs that do not have the same digits and letters."""
    rng, distinct, found = random.Random(0), sorted(set(answers)), []
    while len(found) < count:
        one, other = rng.sample(distinct, 2)
        if signs(one) != signs(other):
            found.append((one, other))
    return found


def signs(answer: str) -> list[str]:
    without = re.sub(r"\\(?:text|mbox)\s*\{[^{}]*\}|\\[a-zA-Z]+", " ", answer)
    return sorted(re.findall(r"[a-zA-Z\d]", without))


def per_second(grade: Callable[[str, str], bool], pairs: Pairs) -> tuple[float, Pairs]:
    """Pairs a CPU second, and those that were accepted."""
    start = time.process_time()
    accepted = [pair for pair in pairs if grade(*pair)]
    return len(pairs) / (time.process_time() - start), accepted


def pool_seconds(rows: Rows, workers: int) -> list[float]:
    """Wall clock of the first 512 completions, in three pools that have judged others before."""
    seconds = []
    for _ in range(3):
        with Pool({"math": RewardSpec("math")}, workers=workers) as pool:
            for batch in (rows[-64:], rows[:512]):
                start = time.perf_counter()
                for index, row in enumerate(batch):
                    pool.submit(index, "math", row["answer"], {"solution": row["gold"]})
                pool.collect()
            seconds.append(time.perf_counter() - start)
    return sorted(seconds)


def equal_pairs(cases: Rows) -> Pairs:
    """Distinct pairs of the cases that are spelled differently and expected to be equal."""
    found = {}
    for case in cases:
        reference, answer = read_reference(case["gold"])[0], extract_answer(case["answer"])
        if case["expect"] and reference and answer and "policy=" not in case["note"]:
            found[reference.strip("$ "), answer.text.strip("$ ")] = None
    return [pair for pair in found if pair[0] != pair[1]]


def measure(options: argparse.Namespace, name: str) -> dict[str, Any] | None:
    """Everything about one grader; None where it is not installed."""
    grader = ours() if name == "ours" else math_verify(options.beside)
    if grader is None:
        return None
    result: dict[str, Any] = {}
    if options.math500:
        rows = read(options.math500)
        texts = [(row["answer"], row["solution"]) for row in rows]
        boxes = [(row["answer"], found.text) for row in rows if (found := extract_answer(row["solution"]))]
        grade, pairs = (grader.pair, boxes) if grader.boxes_reference else (grader.accepts, texts)
        result["math500 solutions/s"], accepted = per_second(grade, pairs)
        result["math500 accepted"] = len(accepted)
        pairs = wrong_pairs([row["answer"] for row in rows], options.pairs)
        result["wrong pairs/s"], result["wrong pairs accepted"] = per_second(grader.pair, pairs)
    if options.cases:
        cases = read(options.cases)
        pairs = equal_pairs(cases)
        result["equal pairs/s"], accepted = per_second(grader.pair, pairs)
        result["equal pairs"], result["equal pairs accepted"] = len(pairs), len(accepted)
        result["cases"] = accuracy(grader, cases)
    if options.gsm8k:
        result["gsm8k"] = accuracy(grader, read(options.gsm8k))
    return result


def in_own_process(options: argparse.Namespace, name: str) -> dict[str, Any] | None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, options, name).result()


def print_table(results: dict[str, dict[str, Any]]) -> None:
    labels = dict.fromkeys(label for result in results.values() for label in result)
    print(f"{'':28}" + "".join(f"{name:>16}" for name in results))
    for label in labels:
        values = [result.get(label) for result in results.values()]
        if isinstance(values[0], dict):
            for part in ("rows", "right", "default_rows", "default_right", "false_positives", "false_negatives"):
                cells = [
                    len(value[part]) if isinstance(value[part], list) else value[part] for value in values if value
                ]
                print(f"{label + ' ' + part:28}" + "".join(f"{cell:>16}" for cell in cells))
        else:
            counts = [len(value) if isinstance(value, list) else value for value in values if value is not None]
            print(f"{label:28}" + "".join(f"{count:>16.5g}" for count in counts))
    for name, result in results.items():
        for row in result.get("cases", {}).get("policy", []):
            print(f"policy, {name}: {row}")
        for kind in ("false_positives", "false_negatives"):
            for row in result.get("cases", {}).get(kind, []):
                print(f"{kind}, {name}: {row}")
        for pair in result.get("wrong pairs accepted", []):
            print(f"wrong pair accepted, {name}: {pair}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--gsm8k", type=Path)
    parser.add_argument("--math500", type=Path)
    parser.add_argument("--beside", type=Path, help="a folder with Math-Verify, where it is not installed")
    parser.add_argument("--pairs", type=int, default=3000, help="random pairs of different answers")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("math_grading.json"))
    options = parser.parse_args()
    measured = {name: in_own_process(options, name) for name in ("ours", "Math-Verify")}
    results = {name: result for name, result in measured.items() if result is not None}
    if "Math-Verify" not in results:
        print("Math-Verify is not installed: its column is missing. See the top of this file.")
    if options.gsm8k:
        seconds = pool_seconds(read(options.gsm8k), options.workers)
        results["ours"] |= {"pool of 512, s (fastest)": seconds[0], "pool of 512, s (slowest)": seconds[-1]}
    print_table(results)
    options.out.write_text(json.dumps(results, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
