"""`grpo-score`, as its user runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rewards.errors import RewardError
from rewards.score.spec import ScoreSpec, parse_spec, parse_specs
from rewards.score.summary import weighted_sum
from rewards.verdict import Verdict, scored

ROOT = Path(__file__).resolve().parents[2]
WHOLE = "<think>1 + 1</think> <answer>2</answer>"


def grpo_score(*arguments: str, rows: list[Any] | str, cwd: Path, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    """Output rows and stderr."""
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    command = [sys.executable, "-m", "rewards.score", *arguments]
    run = subprocess.run(
        command,
        input=text.encode("utf-8", "surrogateescape"),
        capture_output=True,
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        timeout=120,
    )
    assert run.returncode == code, run.stderr.decode()
    return [json.loads(line) for line in run.stdout.decode().splitlines()], run.stderr.decode()


def test_the_issues_own_example(tmp_path: Path) -> None:
    rows = [
        {"completion": WHOLE, "answer": "2", "id": 1},
        {"completion": "so 2", "answer": "2"},
        {"completion": [{"role": "assistant", "content": "so 3"}], "solution": "2", "word": "é"},
    ]
    scored_rows, said = grpo_score(
        "--reward", "math", "--reward", "format(style=think_answer)", rows=rows, cwd=tmp_path
    )
    assert [{k: v for k, v in row.items() if k not in ("verdicts", "reward")} for row in scored_rows] == rows
    assert [row["reward"] for row in scored_rows] == [2.0, 1.0, 0.0]
    assert list(scored_rows[0]["verdicts"]) == ["math", "format"]
    verdict = scored_rows[2]["verdicts"]["math"]
    assert set(verdict) == {"status", "score", "detail", "seconds", "answer"}
    assert (verdict["score"], verdict["answer"]) == (0.0, "3")
    assert "'3' against '2'" in verdict["detail"]
    assert "3 rows in" in said and "math × 1: mean 0.6667, 2 at 1 or more; 3 scored" in said
    assert "reward: mean 1.0000 over 3 rows" in said


def test_weights_labels_groups_files_and_columns(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def short(completions, prompts, level, limit=3, **columns):\n"
        "    return [None if n is None else float(len(c) <= limit) for c, n in zip(completions, level)]\n"
    )
    rows = [
        {"prompt": "p", "completion": "so 2", "answer": "2", "level": 1, "completion_ids": [1, 2]},
        {"prompt": "q", "completion": "7", "answer": "7", "level": None, "completion_ids": [1, 2, 3]},
        {"prompt": "p", "completion": "2", "answer": "2", "level": 1, "completion_ids": [1]},
    ]
    arguments = [
        "math*2",
        "mine.py:short(limit=2)*0.5",
        'kimi=length(form=group_relative, correct={"use": "math"})*0.1',
    ]
    scored_rows, _ = grpo_score(*[a for text in arguments for a in ("--reward", text)], rows=rows, cwd=tmp_path)
    assert [[v["score"] for v in row["verdicts"].values()] for row in scored_rows] == [
        [1.0, 0.0, -0.5],
        [1.0, None, 0.0],
        [1.0, 1.0, 0.5],
    ]
    assert [row["reward"] for row in scored_rows] == pytest.approx([1.95, 2.0, 2.55])
    assert list(scored_rows[0]["verdicts"]) == ["math", "short", "kimi"]


def test_order_is_kept_over_chunks_and_any_number_of_workers(tmp_path: Path) -> None:
    rows = [{"completion": f"so {i}", "answer": str(i - i % 2), "i": i} for i in range(1100)]
    results = [grpo_score("--reward", "math", "--workers", w, rows=rows, cwd=tmp_path)[0] for w in ("1", "3")]
    for result in results:
        assert [row["i"] for row in result] == list(range(1100))
        assert [row["reward"] for row in result] == [1.0, 0.0] * 550


def test_what_could_not_be_judged_is_written_counted_and_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from rewards import RowReward, scored\n"
        "class Odd(RowReward):\n"
        "    def judge_one(self, completion, row):\n"
        "        if completion == 'spin':\n            while True: pass\n"
        "        if completion == 'raise':\n            raise KeyError('my typo')\n"
        "        return scored(1)\n"
    )
    rows = [{"completion": c, "answer": "1"} for c in ("a", "spin", "raise", "b")]
    arguments = ["--reward", "mine.py:Odd", "--seconds", "0.3"]
    scored_rows, said = grpo_score(*arguments, rows=rows, cwd=tmp_path, code=1)
    assert [row["verdicts"]["Odd"]["status"] for row in scored_rows] == ["scored", "timeout", "error", "scored"]
    assert [row["reward"] for row in scored_rows] == [1.0, None, None, 1.0]
    assert "Traceback" in scored_rows[2]["verdicts"]["Odd"]["detail"]
    assert "1 error, 2 scored, 1 timeout" in said and "first error of Odd, row 3: KeyError: 'my typo'" in said
    grpo_score("--reward", "mine.py:Odd*0", "--reward", "math", "--seconds", "0.3", rows=rows, cwd=tmp_path)


def test_a_pattern_that_backtracks_forever_ends_at_its_deadline(tmp_path: Path) -> None:
    rows = [{"completion": "a" * 40 + "!"}, {"completion": "aab"}]
    arguments = ["--reward", "format(pattern=(a+)+b)", "--seconds", "0.3"]
    scored_rows, _ = grpo_score(*arguments, rows=rows, cwd=tmp_path, code=1)
    assert [row["verdicts"]["format"]["status"] for row in scored_rows] == ["timeout", "scored"]


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (["--reward", "maths"], '{"completion": "1"}\n', "no reward 'maths': did you mean 'math'?"),
        (["--reward", "nowhere.py:f"], '{"completion": "1"}\n', "no file"),
        (["--reward", "math(require_ancor=true)"], '{"completion": "1"}\n', "do not fit"),
        (["--reward", "math", "--reward", "math"], "", "two rewards are called 'math'"),
        (["--reward", "math("], "", "cannot read the reward 'math('"),
        (["--reward", "math"], "", "the input has no rows"),
        (["--reward", "math"], '{"completion": "1"}\n\n{"completion": \n', "line 3: no JSON: Expecting value"),
        (["--reward", "math"], "[1]\n", "line 1: a JSON object is expected, got '[1]'"),
        (["--reward", "math"], '{"text": 1}\n', "line 1: no column `completion`; the columns are text"),
        (["--reward", "math"], '{"completion": 1}\n', "`completion` is text or a list of messages, got a int"),
        (["--reward", "math"], "x\n" * 9, "9 of the input's lines cannot be read"),
    ],
)
def test_mistakes_write_nothing_and_name_the_place(tmp_path: Path, arguments: list[str], text: str, said: str) -> None:
    rows, stderr = grpo_score(*arguments, rows=text, cwd=tmp_path, code=2)
    assert rows == [] and said in stderr and "Traceback" not in stderr


def test_odd_bytes_come_through(tmp_path: Path) -> None:
    text = '{"completion": "so 2 \\ud800 \\u0000 \udcff", "answer": "2"}\n'
    rows, _ = grpo_score("--reward", "math", rows=text, cwd=tmp_path)
    assert rows[0]["completion"] == "so 2 \ud800 \0 \udcff" and rows[0]["reward"] is not None


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"completion": "so 2" * 2000, "answer": "2"}) + "\n" for _ in range(200))
    (tmp_path / "rows.jsonl").write_text(rows)
    line = f"{sys.executable} -m rewards.score --reward math < rows.jsonl | head -n 1 > /dev/null"
    run = subprocess.run(
        ["sh", "-c", line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert "Traceback" not in run.stderr and "Exception" not in run.stderr


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("math", ScoreSpec("math", "math")),
        (" math * 0.5 ", ScoreSpec("math", "math", {}, 0.5)),
        ("format(style=think_answer)*-1", ScoreSpec("format", "format", {"style": "think_answer"}, -1.0)),
        ("lenient=math(extract=last_number)*0", ScoreSpec("lenient", "math", {"extract": "last_number"}, 0.0)),
        (
            "a/b.py:f(n=3, on=True, off=false, no=None, x=1e-3)",
            ScoreSpec("f", "a/b.py:f", {"n": 3, "on": True, "off": False, "no": None, "x": 0.001}),
        ),
        ('format(pattern="<a>(.*), b=c</a>")', ScoreSpec("format", "format", {"pattern": "<a>(.*), b=c</a>"})),
        ("format(pattern='a, b')", ScoreSpec("format", "format", {"pattern": "a, b"})),
        (
            'length(correct={"use": "math", "at": 0.5}, form=cosine)',
            ScoreSpec("length", "length", {"correct": {"use": "math", "at": 0.5}, "form": "cosine"}),
        ),
        ("math()", ScoreSpec("math", "math")),
    ],
)
def test_the_form_of_a_reward(text: str, spec: ScoreSpec) -> None:
    assert parse_spec(text) == spec


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("math(x)", "parameters are key=value, got 'x'"),
        ("math*heavy", "the weight 'heavy' is no number"),
        ("math*inf", "the weight 'inf' is no number"),
        ("", "cannot read the reward ''"),
        ("format(a=1) extra", "cannot read"),
    ],
)
def test_forms_that_are_none(text: str, said: str) -> None:
    with pytest.raises(RewardError, match=said.replace("(", r"\(")):
        parse_spec(text)


def test_labels_tell_rewards_apart() -> None:
    assert [spec.label for spec in parse_specs(["math", "other=math"])] == ["math", "other"]
    with pytest.raises(RewardError, match="name one of them, for example other=f"):
        parse_specs(["a.py:f", "b.py:f"])


def test_the_reward_of_a_row() -> None:
    weights = {"a": 1.0, "b": 0.5, "c": 0.0}
    assert weighted_sum({"a": scored(1), "b": scored(-1), "c": scored(9)}, weights) == 0.5
    assert weighted_sum({"a": scored(1), "b": Verdict("not_applicable"), "c": Verdict("error")}, weights) == 1.0
    assert weighted_sum({"a": scored(1), "b": Verdict("timeout"), "c": scored(1)}, weights) is None
    assert weighted_sum({label: Verdict("not_applicable") for label in weights}, weights) is None
