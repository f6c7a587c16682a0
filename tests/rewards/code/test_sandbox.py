"""The sandbox itself: guards and their absence, other users, forbidden namespaces, processes and their end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rewards.code import CodeReward
from rewards.code.engine import Budget, SandboxLost
from rewards.code.sandbox import landlock, launcher, local, process, proof
from rewards.code.sandbox.launcher import IDLE, Launcher, Settings
from rewards.code.sandbox.local import LocalSandbox
from rewards.errors import RewardError

REPOSITORY = Path(__file__).parents[3]
ROW = {"test_list": ["assert add(1, 2) == 3"]}
HONEST = "def add(a, b):\n    return a + b"


def attacks_elsewhere(python: str, folder: Path, *arguments: str, **options: Any) -> dict[str, Any]:
    script = Path(__file__).parent / "plain_user.py"
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, str(script), arguments[0], str(folder), *arguments[1:]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/", timeout=500, **options)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def python_for(user: int) -> str:
    """An interpreter that another user can run: ours may lie in root's home."""
    for python in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin")):
        probe = "import sys; sys.path.insert(0, sys.argv[1]); import rewards.code; assert sys.version_info >= (3, 11)"
        with_path = [str(python), "-c", probe, str(REPOSITORY)]
        try:
            if python and subprocess.run(with_path, user=user, capture_output=True, cwd="/").returncode == 0:
                return python
        except OSError:
            continue
    pytest.skip("no interpreter of Python 3.11 that another user may run")


def assert_contained(outcome: dict[str, Any]) -> None:
    assert outcome["gained"] == []
    assert (outcome["honest"], outcome["victim"], outcome["left"]) == (1.0, "untouched", ["victim"])


@pytest.mark.parametrize("amount", ["few", pytest.param("all", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("sandbox")
def test_attacks_as_an_unprivileged_user(amount: str, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("these tests run as an unprivileged user anyway")
    folder = Path("/tmp") / f"plain-user-{os.getpid()}"  # pytest's own is closed to other users
    folder.mkdir(mode=0o777)
    os.chown(folder, 65534, 65534)
    try:
        outcome = attacks_elsewhere(python_for(65534), folder, "none", amount, user=65534, group=65534, extra_groups=[])
    finally:
        shutil.rmtree(folder)
    assert outcome["uid"] == 65534
    assert_contained(outcome)


@pytest.mark.parametrize("amount", ["few", pytest.param("all", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("sandbox")
def test_attacks_where_namespaces_are_forbidden(amount: str, tmp_path: Path) -> None:
    outcome = attacks_elsewhere(sys.executable, tmp_path, "auto", amount, "forbid")
    assert outcome["layer"].startswith("none (") and "unshare" in outcome["layer"]
    assert_contained(outcome)


# ---- guards


def test_a_missing_guard_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, sandbox: LocalSandbox) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    with pytest.raises(RewardError) as error:
        CodeReward()
    assert "lacks a guard on this machine (landlock: needs Linux 5.13" in str(error.value)
    assert "allow_missing: [landlock]" in str(error.value)
    assert CodeReward(allow_missing=["landlock"]).judge_one(HONEST, ROW).score == 1.0


def in_a_fork(action: Any) -> Any:
    """What `action` returns, done in a process of its own (guards are for good)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(action()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return json.loads(answer.read())


def test_guards_that_the_kernel_lacks_are_found(monkeypatch: pytest.MonkeyPatch, sandbox: LocalSandbox) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    missing = in_a_fork(lambda: proof.make_guards([])[1])
    assert list(missing) == ["landlock"] and "5.13" in missing["landlock"]


def test_guards_that_do_not_hold_are_found(sandbox: LocalSandbox) -> None:
    def broken() -> dict[str, str]:
        guards, missing = proof.make_guards([Path("/")])  # Landlock rules that allow everything
        guards.filter.put_on = lambda: None  # type: ignore[union-attr, method-assign]
        return missing | proof.broken(guards)

    assert in_a_fork(broken) == {
        "landlock": "a folder outside of the standard library could be opened",
        "seccomp": "a process could be made",
    }


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    local.refuse_platform.cache_clear()
    monkeypatch.setattr(local, "sys", SimpleNamespace(platform="darwin"))
    with pytest.raises(RewardError, match="on Linux on x86_64 or aarch64 only, and this is darwin"):
        CodeReward()
    assert CodeReward(remote="http://localhost:1").name == "code"
    local.refuse_platform.cache_clear()


def test_modules_beyond_the_standard_library(sandbox: LocalSandbox) -> None:
    row = {"test_list": ["assert total([[1, 2], [3, 4]]) == [4, 6]"]}
    program = "import numpy\ndef total(rows): return numpy.array(rows).sum(axis=0)"
    reward = CodeReward(layer="none", modules=["numpy"], memory=2**30)
    assert reward.judge_one(program, row).score == 1.0
    assert CodeReward(layer="none").judge_one(program, row).score == 0.0
    with pytest.raises(RewardError, match="`modules` cannot be imported: not_there: No module named"):
        CodeReward(layer="none", modules=["not_there"]).warm_up()


# ---- processes


def launcher_pids() -> list[int]:
    return [idle.process.pid for waiting in IDLE._waiting.values() for idle in waiting]


def test_a_launcher_killed_from_outside_costs_no_verdict(code: CodeReward) -> None:
    assert code.judge_one(HONEST, ROW).score == 1.0
    for pid in launcher_pids():
        os.kill(pid, signal.SIGKILL)
    assert code.judge_one(HONEST, ROW).score == 1.0


def test_a_candidate_killed_from_outside_is_judged_again(code: CodeReward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that the candidate did: no 0 for it."""
    killed = []
    receive = process.CandidateProcess.receive

    def first_one_is_killed(self: process.CandidateProcess) -> bytes:
        if not killed:
            killed.append(True)
            children = Path(f"/proc/{self._launcher.process.pid}/task/{self._launcher.process.pid}/children")
            os.kill(int(children.read_text()), signal.SIGKILL)
        return receive(self)

    monkeypatch.setattr(process.CandidateProcess, "receive", first_one_is_killed)
    assert code.judge_one(HONEST, ROW).score == 1.0
    assert killed


def test_a_sandbox_that_is_lost_twice_is_an_error(code: CodeReward, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise SandboxLost("code: gone")

    monkeypatch.setattr(LocalSandbox, "open", lost)
    verdict = code.judge_one(HONEST, ROW)
    assert (verdict.status, verdict.detail) == ("error", "twice: code: gone")


def test_nothing_outlives_the_judge(sandbox: LocalSandbox) -> None:
    """A judge that is killed in the middle takes its launcher and the candidate with it."""
    source = (
        "from rewards.code import CodeReward; from rewards.code.sandbox.launcher import IDLE\n"
        "import threading, time\n"
        "r = CodeReward(layer='none', seconds=60); r.warm_up(); [[l]] = IDLE._waiting.values()\n"
        "print(l.process.pid, flush=True)\n"
        "r.judge_one('while True: pass', {'test_list': ['assert f(1)']})\n"
    )
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as judge:
        assert judge.stdout is not None
        pid = int(judge.stdout.readline())
        children = Path(f"/proc/{pid}/task/{pid}/children")
        wait_until(lambda: children.read_text().strip() != "")
        candidate = int(children.read_text())
        judge.kill()
    wait_until(lambda: not running(pid) and not running(candidate))


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Any, seconds: float = 20.0) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds
        time.sleep(0.02)


def test_descriptors_do_not_pile_up(code: CodeReward) -> None:
    row = {"cases": [{"input": "", "output": "1"}]}
    code.judge_one(HONEST, ROW)
    code.judge_one("print(1)", row)
    before = len(os.listdir("/proc/self/fd"))
    for program in (HONEST, "import os; os._exit(1)", "def add(a, b): 1 / 0", "while"):
        code.judge_one(program, ROW)
        code.judge_one(program, row)
    assert len(os.listdir("/proc/self/fd")) == before


def test_threads_have_launchers_of_their_own(code: CodeReward) -> None:
    scores: list[float | None] = []
    threads = [threading.Thread(target=lambda: scores.append(code.judge_one(HONEST, ROW).score)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scores == [1.0] * 3


def test_a_fork_does_not_share_its_parents_launcher(code: CodeReward) -> None:
    assert code.judge_one(HONEST, ROW).score == 1.0
    mine = launcher_pids()

    def in_the_child() -> list[Any]:
        score = code.judge_one(HONEST, ROW).score
        theirs = launcher_pids()
        IDLE.close()
        return [score, theirs]

    score, theirs = in_a_fork(in_the_child)
    assert score == 1.0 and not set(mine) & set(theirs)
    assert code.judge_one(HONEST, ROW).score == 1.0


def test_time_is_counted_in_cpu_seconds(sandbox: LocalSandbox) -> None:
    budget = Budget(0.5, 2**28)
    finished = sandbox.run("while True: pass", b"", 100, budget)
    assert finished.fault == "used up its 0.5 CPU seconds" and 0.5 <= budget.spent < 1.5
    budget = Budget(5.0, 2**28)
    assert sandbox.run("import time\ntime.sleep(0.4)", b"", 100, budget).fault is None
    assert budget.spent < 0.3


def test_what_a_candidate_may_use_is_for_all_its_cases(sandbox: LocalSandbox) -> None:
    spin = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass\nprint(1)"
    row = {"cases": [{"input": "", "output": "1"}] * 4}
    verdict = CodeReward(layer="none", seconds=1.0, score="share").judge_one(spin, row)
    assert verdict.score == 0.5 and "used up its 1 CPU seconds" in verdict.detail


def test_a_launcher_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "_START", "raise OSError('no launcher today')")
    with pytest.raises(RewardError, match="did not start: OSError: no launcher today"):
        Launcher(Settings())
