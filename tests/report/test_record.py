import json
from types import SimpleNamespace

import pytest

from grpo.errors import UserError
from grpo.report import completions
from grpo.report.record import Record
from tests.report.steps import ADVANTAGES, METRICS, SECONDS, groups


def run(record: Record, first: int, last: int) -> None:
    for step in range(first, last + 1):
        record.step(step, METRICS | {"reward": step / 7}, SECONDS | {"sample": 1.0 + step})
        record.rollouts(step, groups(), ADVANTAGES)
        if step % 2 == 0:
            record.evaluation(step, {"eval/pass@1": step / 10}, groups())


def comparable(folder) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "times.jsonl"
    }


def test_metrics_hold_no_times_and_times_hold_them(tmp_path):
    record = Record(tmp_path, quiet=True)
    record.step(1, {"reward": 0.25, "completion_tokens": 14.0}, SECONDS)
    record.close()
    assert (tmp_path / "metrics.jsonl").read_bytes() == b'{"completion_tokens": 14.0, "reward": 0.25, "step": 1}\n'
    times = json.loads((tmp_path / "times.jsonl").read_text())
    assert times["seconds"] == SECONDS and times["tokens_per_second"] == 2.0 and times["step"] == 1


@pytest.mark.parametrize("killed_at", [1, 4, 5])
@pytest.mark.parametrize("keep", [None, 2])
def test_a_stopped_and_resumed_run_ends_with_the_bytes_of_one_left_alone(tmp_path, killed_at, keep):
    alone = Record(tmp_path / "alone", quiet=True, keep_rollouts=keep)
    alone.truncate_after(-1)
    run(alone, 1, 6)

    checkpoint = 3 if killed_at > 3 else -1
    stopped = Record(tmp_path / "resumed", quiet=True, keep_rollouts=keep)
    run(stopped, 1, killed_at)
    with open(tmp_path / "resumed" / "metrics.jsonl", "ab") as file:
        file.write(b'{"completion_tok')
    resumed = Record(tmp_path / "resumed", quiet=True, keep_rollouts=keep)
    resumed.truncate_after(checkpoint)
    run(resumed, max(checkpoint, 0) + 1, 6)

    assert comparable(tmp_path / "resumed") == comparable(tmp_path / "alone")
    steps = [json.loads(line)["step"] for line in (tmp_path / "resumed" / "times.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_the_evaluation_before_the_first_step_survives_a_resume(tmp_path):
    record = Record(tmp_path, quiet=True)
    record.evaluation(0, {"eval/pass@1": 0.125}, groups())
    run(record, 1, 2)
    record.truncate_after(1)
    assert (tmp_path / "evaluations.jsonl").read_bytes() == b'{"eval/pass@1": 0.125, "step": 0}\n'
    assert [path.name for path in (tmp_path / "evaluations").iterdir()] == ["step_000000.jsonl.gz"]
    record.truncate_after(-1)
    assert (tmp_path / "evaluations.jsonl").read_bytes() == b""
    assert list((tmp_path / "evaluations").iterdir()) == []


def test_the_last_so_many_rollouts(tmp_path):
    run(Record(tmp_path, quiet=True, keep_rollouts=2), 1, 5)
    assert sorted(map(completions.step_of, (tmp_path / "rollouts").iterdir())) == [4, 5]


def test_other_processes_write_and_show_nothing(tmp_path, capsys):
    record = Record(tmp_path / "zero", accelerator=SimpleNamespace(is_main_process=False))
    run(record, 1, 2)
    record.truncate_after(0)
    record.close()
    assert not (tmp_path / "zero").exists()
    assert capsys.readouterr().out == ""


def test_the_console_shows_the_step(tmp_path, capsys):
    record = Record(tmp_path / "zero", total_steps=6)
    run(record, 1, 1)
    record.close()
    assert "1/6" in capsys.readouterr().out


def test_an_unknown_tracker_is_named(tmp_path):
    with pytest.raises(UserError, match="trackers: unknown tracker 'mlflow'"):
        Record(tmp_path, trackers=("mlflow",), quiet=True)
