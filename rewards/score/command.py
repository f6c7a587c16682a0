"""The command: arguments, progress, summary, exit code.

Exit codes: 0 every row was judged; 1 a reward of non-zero weight could not judge some rows (they are written all the
same, with `reward: null`); 2 a mistake to mend (a reward, a line of the input): nothing was written; 130 interrupted.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from rewards.errors import RewardError
from rewards.load import SHIPPED
from rewards.score.judging import judge_rows
from rewards.score.rows import read_rows, write_row
from rewards.score.spec import ScoreSpec, parse_specs
from rewards.score.summary import Summary, weighted_sum

EXIT_UNJUDGED, EXIT_MISTAKE, EXIT_INTERRUPTED = 1, 2, 130
PROGRESS_SECONDS = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """`grpo-score`. Returns its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        specs = parse_specs(arguments.reward)
        if sys.stdin.isatty():
            print("grpo-score: reading JSON lines from the terminal; Ctrl-D ends them", file=sys.stderr)
        return _score(specs, arguments.workers, arguments.seconds)
    except RewardError as error:
        print(f"grpo-score: {error}", file=sys.stderr)
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        print("\ngrpo-score: interrupted; the rows written so far are complete", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `head` does: nothing more to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _score(specs: Sequence[ScoreSpec], workers: int, seconds: float) -> int:
    # Bytes that are no UTF-8 come through as escapes instead of ending the run.
    with open(sys.stdin.fileno(), encoding="utf-8", errors="surrogateescape", closefd=False) as lines:
        rows = read_rows(lines)
    with open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False) as out:
        summary = _write_scored(rows, specs, workers, seconds, out)
    return EXIT_UNJUDGED if summary.unjudged else 0


def _write_scored(
    rows: Sequence[dict[str, Any]], specs: Sequence[ScoreSpec], workers: int, seconds: float, out: TextIO
) -> Summary:
    summary = Summary({spec.label: spec.weight for spec in specs})
    start = shown = time.monotonic()
    for row, verdicts in zip(rows, judge_rows(rows, specs, workers, seconds, Path.cwd()), strict=True):
        reward = weighted_sum(verdicts, summary.weights)
        write_row(out, row, verdicts, reward)
        summary.add(verdicts, reward)
        if time.monotonic() - shown > PROGRESS_SECONDS:
            shown = time.monotonic()
            out.flush()
            print(f"grpo-score: {summary.rows} of {len(rows)} rows", file=sys.stderr)
    out.flush()
    for line in summary.lines(time.monotonic() - start):
        print(line, file=sys.stderr)
    return summary


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grpo-score",
        description="Score completions: JSON lines on stdin, each with `completion` and the data columns "
        "(`answer` or `solution`, …), come out on stdout, in order, with `verdicts` and `reward`.",
        epilog=f"Shipped rewards: {', '.join(sorted(SHIPPED))}. Your own: file.py:function or package.module:function. "
        "Exit codes: 0 all judged, 1 some could not be judged, 2 a mistake to mend.",
    )
    parser.add_argument(
        "--reward",
        action="append",
        required=True,
        metavar="SPEC",
        help="[label=]NAME[(key=value, …)][*weight], for example 'format(style=think_answer)*0.2'; repeat for more",
    )
    parser.add_argument("--workers", type=_positive, default=2, metavar="N", help="worker processes (default 2)")
    parser.add_argument(
        "--seconds",
        type=_positive_seconds,
        default=5.0,
        metavar="S",
        help="CPU seconds that one judgement may take (default 5)",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number ≥ 1, got {text!r}")
    return int(text)


def _positive_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"seconds > 0, got {text!r}")
    return seconds
