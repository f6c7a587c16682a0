"""The worker pool: deadlines, deaths, and the same results for any number of workers."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rewards.tasks
from rewards.batch import BatchResult
from rewards.pool import Pool, RewardSpec
from rewards.verdict import Verdict

HERE = Path(__file__).parent
MOODY = RewardSpec("worker_rewards.py:Moody", base=HERE, seconds=0.3)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    specs = {
        "moody": MOODY,
        "batch": RewardSpec("worker_rewards.py:batch", base=HERE),
        "slow_batch": RewardSpec("worker_rewards.py:slow_batch", base=HERE, seconds=0.1),
    }
    with Pool(specs, workers=2) as opened:
        yield opened


def verdict(pool: Pool, completion: str, **row: object) -> Verdict:
    pool.submit("key", "moody", completion, row)
    result = pool.collect()[("key", "moody")]
    assert isinstance(result, Verdict)
    return result


def test_a_verdict_comes_back_under_its_key(pool: Pool) -> None:
    pool.submit(("p", 0), "moody", "ab", {})
    pool.submit(("p", 1), "moody", "abc", {})
    results = pool.collect()
    assert results[(("p", 0), "moody")].score == 2.0  # type: ignore[union-attr]
    assert results[(("p", 1), "moody")].score == 3.0  # type: ignore[union-attr]
    assert pool.collect() == {}


@pytest.mark.parametrize("completion", ["spin", "one long operation"])
def test_the_deadline_is_cpu_seconds_and_the_others_go_on(pool: Pool, completion: str) -> None:
    start = time.monotonic()
    for index in range(20):
        pool.submit(index, "moody", completion if index == 3 else "ab", {})
    results = pool.collect()
    timed_out = results.pop((3, "moody"))
    assert isinstance(timed_out, Verdict)
    assert (timed_out.status, timed_out.detail) == ("timeout", "used up 0.3 CPU seconds")
    assert [result.score for result in results.values()] == [2.0] * 19  # type: ignore[union-attr]
    assert time.monotonic() - start < 30


def test_sleeping_is_ended_by_the_wall_clock_and_says_so(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewards.tasks, "WALL_GRACE", 0.5)
    result = verdict(pool, "sleep")
    assert result.status == "timeout" and result.detail.startswith("wall-clock backstop")


def test_an_exception_is_an_error_with_its_traceback(pool: Pool) -> None:
    result = verdict(pool, "raise")
    assert result.status == "error"
    assert "worker_rewards.py" in result.detail and "ZeroDivisionError: as asked" in result.detail


@pytest.mark.parametrize(
    ("completion", "words"),
    [("exit", "exit status 3"), ("segfault", "ended by SIGSEGV"), ("memory", "MemoryError")],
)
def test_a_dying_worker_is_an_error_that_says_how(pool: Pool, completion: str, words: str) -> None:
    result = verdict(pool, completion)
    assert result.status == "error" and words in result.detail


def test_none_is_not_applicable(pool: Pool) -> None:
    assert verdict(pool, "none").status == "not_applicable"


def test_a_worker_killed_from_outside_costs_no_verdict(pool: Pool, tmp_path: Path) -> None:
    assert verdict(pool, "once", marker=str(tmp_path / "died")).score == 4.0
    assert (tmp_path / "died").exists()


def test_idle_workers_killed_from_outside_are_replaced(pool: Pool) -> None:
    verdict(pool, "ab")
    for worker in list(pool._workers):
        os.kill(worker.process.pid, signal.SIGKILL)
    assert verdict(pool, "abc").score == 3.0


def test_workers_import_neither_torch_nor_us(pool: Pool) -> None:
    assert verdict(pool, "modules").score == 0.0


def test_a_batch_is_one_call_and_its_deadline_grows_with_its_rows(pool: Pool) -> None:
    pool.submit_batch("step", "batch", {"completions": ["a", "b", "c"], "solution": ["a", "x", None]})
    pool.submit_batch("step", "slow_batch", {"completions": ["a", "b"]})
    results = pool.collect()
    batch, slow = results[("step", "batch")], results[("step", "slow_batch")]
    assert isinstance(batch, BatchResult) and isinstance(slow, BatchResult)
    assert [v.score for v in batch.verdicts] == [1.0, 0.0, None]
    assert [(v.status, v.detail) for v in slow.verdicts] == [("timeout", "used up 0.2 CPU seconds")] * 2


def test_any_number_of_workers_gives_the_same_verdicts() -> None:
    texts = [r"\boxed{\frac{1}{2}}", "raise", "none", r"\boxed{x+1}", "so 7", "abc"] * 5 + ["spin", "exit"]
    outcomes = []
    for workers in (1, 3):
        with Pool({"moody": MOODY, "math": RewardSpec("math")}, workers) as opened:
            for index, text in enumerate(texts):
                opened.submit(index, "moody", text, {})
                opened.submit(index, "math", text, {"solution": "1+x" if index % 2 else "0.5"})
            results = opened.collect()
        outcomes.append({key: (v.status, v.score, v.detail) for key, v in results.items()})  # type: ignore[union-attr]
    assert outcomes[0] == outcomes[1] and len(outcomes[0]) == 64


def test_a_reward_that_does_not_load_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ImportError('no such luck')\n")
    with Pool({"broken": RewardSpec("broken.py:f", base=tmp_path), "moody": MOODY}, 1) as opened:
        opened.submit(0, "broken", "a", {})
        opened.submit(0, "moody", "a", {})
        results = opened.collect()
    assert "no such luck" in results[(0, "broken")].detail  # type: ignore[union-attr]
    assert results[(0, "moody")].score == 1.0  # type: ignore[union-attr]


def test_workers_that_cannot_start_stop_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rewards.worker_process._START", "import sys; sys.exit(7)")
    with Pool({"math": RewardSpec("math")}, 1) as opened:
        opened.submit(0, "math", "1", {"solution": "1"})
        with pytest.raises(RuntimeError, match="3 workers in a row ended with exit status 7"):
            opened.collect()


def test_from_a_thread_and_closed_twice() -> None:
    opened, results = Pool({"math": RewardSpec("math")}, 1), {}

    def judge() -> None:
        opened.submit(0, "math", r"\boxed{9^{9^{9^{9}}}}", {"solution": "4"})
        results.update(opened.collect())

    thread = threading.Thread(target=judge)
    thread.start()
    thread.join(30)
    assert results[(0, "math")].score == 0.0
    opened.close()
    opened.close()
    with pytest.raises(RuntimeError, match="closed"):
        opened.submit(0, "math", "1", {"solution": "1"})


ORPHANS = """
import os, signal, sys, time
from pathlib import Path
from rewards.pool import Pool, RewardSpec
pool = Pool({"moody": RewardSpec("worker_rewards.py:Moody", base=Path(sys.argv[1]), seconds=100)}, 1)
pool.submit(0, "moody", "a", {})
pool.collect()
pool.submit(1, "moody", "sleep", {})
print(*[worker.process.pid for worker in pool._workers], flush=True)
time.sleep(0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_worker_outlives_a_killed_parent() -> None:
    run = subprocess.run([sys.executable, "-c", ORPHANS, str(HERE)], capture_output=True, text=True, timeout=60)
    pid = int(run.stdout)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"worker {pid} is still there")


def test_a_users_rewards_py_in_the_current_folder_is_not_taken_for_our_package(tmp_path: Path) -> None:
    (tmp_path / "rewards.py").write_text("raise SystemExit('the wrong rewards')\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import rewards.pool as p; sys.path.insert(0, '')\n"
        "pool = p.Pool({'math': p.RewardSpec('math')}, 1)\n"
        "pool.submit(0, 'math', '4', {'solution': '4'}); print(pool.collect()[(0, 'math')].score); pool.close()"
    )
    root = str(HERE.parents[1])
    run = subprocess.run([sys.executable, "-P", "-c", code, root], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "1.0\n", run.stderr


def test_512_answers_take_less_than_half_a_second_of_cpu_in_the_parent() -> None:
    """Transport included; the bound on wall time is for a quiet machine, the one here on what the machine cannot
    change: CPU seconds of parent and workers together."""
    text = "<think>" + "half of 48 is 24, and 48 + 24 = 72. " * 15 + "</think> <answer>72</answer>"
    with Pool({"math": RewardSpec("math")}, 2) as opened:
        opened.submit("warm", "math", text, {"solution": "72"})
        opened.collect()
        start = time.process_time()
        for index in range(512):
            opened.submit(index, "math", text, {"solution": str(72 + index % 2)})
        results = opened.collect()
        parent = time.process_time() - start
    workers = sum(v.seconds for v in results.values())  # type: ignore[union-attr]
    assert sum(v.score for v in results.values()) == 256  # type: ignore[union-attr,misc]
    assert parent + workers < 0.9
