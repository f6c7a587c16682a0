import gzip

from grpo.report import completions
from tests.report.steps import ADVANTAGES, groups


def test_each_completion_with_prompt_verdicts_reward_and_advantage(tmp_path):
    completions.write(tmp_path, 12, groups(), ADVANTAGES)
    first, second, *_, last = completions.read(tmp_path / "step_000012.jsonl.gz")
    assert first == {
        "step": 12,
        "prompt_id": "p1",
        "prompt": "1 + 1 =",
        "prompt_tokens": 2,
        "solution": "2",
        "sample": 0,
        "completion": "2",
        "completion_tokens": 3,
        "finish_reason": "stop",
        "weight_version": 4,
        "verdicts": {"math": {"status": "scored", "score": 1.0, "detail": "2 = 2"}},
        "reward": 1.0,
        "advantage": 0.0,
    }
    assert second["verdicts"]["math"] == {"status": "timeout", "score": None, "detail": "5 s"}
    assert (second["reward"], second["finish_reason"], second["completion_tokens"]) == (None, "length", 5)
    assert (last["prompt_id"], last["sample"], last["advantage"]) == ("p2", 1, -0.7)


def test_two_writings_have_the_same_bytes_whenever_they_happen(tmp_path, monkeypatch):
    completions.write(tmp_path / "a", 1, groups(), ADVANTAGES)
    monkeypatch.setattr("time.time", lambda: 4e9)
    completions.write(tmp_path / "b", 1, groups(), ADVANTAGES)
    name = "step_000001.jsonl.gz"
    first, second = ((tmp_path / folder / name).read_bytes() for folder in "ab")
    assert first == second
    assert first[4:8] == bytes(4), "the gzip header holds a time"


def test_an_evaluation_has_no_advantage(tmp_path):
    completions.write(tmp_path, 0, groups(), None)
    entry = completions.read(tmp_path / "step_000000.jsonl.gz")[0]
    assert "advantage" not in entry and "reward" not in entry
    assert entry["verdicts"]["math"]["score"] == 1.0


def test_later_steps_and_leftovers_go(tmp_path):
    for step in (1, 2, 3):
        completions.write(tmp_path, step, groups(), ADVANTAGES)
    (tmp_path / ".step_000004.jsonl.gz.99.tmp").write_bytes(gzip.compress(b"half"))
    completions.keep_until(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_000001.jsonl.gz", "step_000002.jsonl.gz"]


def test_the_last_so_many_are_kept_by_number_not_by_name(tmp_path):
    for step in (999_999, 1_000_000, 1_000_001):
        completions.write(tmp_path, step, groups(), ADVANTAGES)
    completions.keep_last(tmp_path, 2)
    assert sorted(map(completions.step_of, tmp_path.iterdir())) == [1_000_000, 1_000_001]
