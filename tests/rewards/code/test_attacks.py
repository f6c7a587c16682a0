"""Every class of attack on a code sandbox: no credit, no skip, no file touched, no process left."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import rewards
import rewards.code.sandbox.process
from rewards.code import CodeReward
from rewards.code.sandbox.launcher import IDLE
from rewards.code.sandbox.local import LocalSandbox
from tests.rewards.code.attacks import ESCAPES, HACKS, RESOURCES, ROW, escape

HONEST = "```python\ndef add(a, b):\n    return a + b\n```"
PROGRAMS = {
    **{f"escape: {name}": escape(body) for name, body in ESCAPES.items()},
    **{f"hack: {name}": text for name, text in HACKS.items()},
    **{f"resource: {name}": text for name, text in RESOURCES.items()},
}


class Host:
    """What must be as it was."""

    def __init__(self, folder: Path) -> None:
        self.victim, self.mark = folder / "victim", folder / "mark"
        self.victim.write_text("untouched")
        self.victim.chmod(0o644)
        self.listeners = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
        self.listeners[1].bind(str(folder / "socket"))
        self.listeners[1].listen()
        self.state, self.entries = self._state(), set(folder.iterdir())

    def _state(self) -> tuple[object, ...]:
        found = self.victim.stat()
        return (self.victim.read_text(), found.st_mode, found.st_uid, found.st_mtime, found.st_nlink)

    def fill(self, program: str) -> str:
        names = {"VICTIM": self.victim, "MARK": self.mark, "SOCKET": self.victim.parent / "socket"}
        names["REPOSITORY"] = Path(rewards.__file__).parent.parent
        for name, path in names.items():
            program = program.replace(name, str(path))
        return program.replace("PORT", str(self.listeners[0].getsockname()[1]))

    def check(self) -> None:
        assert self._state() == self.state
        assert set(self.victim.parent.iterdir()) == self.entries
        assert not Path("/dev/shm/escape-add").exists()
        for listener in self.listeners:
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("host"))
    yield host
    for listener in host.listeners:
        listener.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewards.code.sandbox.process, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(rewards.code.sandbox.process, "GLANCE", 0.05)


def children_of_launchers() -> list[str]:
    launchers = [launcher.process.pid for waiting in IDLE._waiting.values() for launcher in waiting]
    return [Path(f"/proc/{pid}/task/{pid}/children").read_text().strip() for pid in launchers]


def attack(reward: CodeReward, host: Host, program: str) -> None:
    verdict = reward.judge_one(f"```python\n{host.fill(program)}\n```", ROW)
    assert (verdict.status, verdict.score) == ("scored", 0.0), verdict.detail
    host.check()
    if reward.engine._layer == "none":  # type: ignore[attr-defined]
        assert set(children_of_launchers()) <= {""}


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_attack_gains_nothing(name: str, host: Host) -> None:
    attack(CodeReward(layer="none", seconds=0.3, memory=2**28), host, PROGRAMS[name])


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["namespaces", "bubblewrap"])
def test_an_attack_gains_nothing_within_more_layers(layer: str, host: Host, sandbox: LocalSandbox) -> None:
    reward = reward_in(layer)
    for program in PROGRAMS.values():
        attack(reward, host, program)


@pytest.mark.parametrize("layer", ["namespaces", "bubblewrap"])
def test_layers_work_where_the_machine_has_them(layer: str, host: Host, sandbox: LocalSandbox) -> None:
    reward = reward_in(layer)
    assert reward.judge_one(HONEST, ROW).score == 1.0
    for name in ("escape: fork", "escape: tcp", "escape: read passwd", "escape: kill the parent", "resource: heap"):
        attack(reward, host, PROGRAMS[name])


def reward_in(layer: str) -> CodeReward:
    engine = LocalSandbox(layer=layer)
    try:
        greeting = engine.greeting()
    except Exception as error:
        pytest.skip(f"{layer}: {error}")
    if greeting["layer"] != layer:
        pytest.skip(f"{layer}: {greeting['layer']}")
    return CodeReward(layer=layer, seconds=0.3, memory=2**28)


def test_every_escape_would_show_where_it_came_through(host: Host) -> None:
    """The escapes report themselves by adding correctly: without this, the tests above could not fail."""
    scope: dict[str, object] = {}
    exec(escape("open('VICTIM').read()").replace("VICTIM", str(host.victim)), scope)
    assert scope["add"](1, 2) == 3  # type: ignore[operator]


def test_honest_programs_pass_after_all_that(code: CodeReward) -> None:
    assert code.judge_one(HONEST, ROW).score == 1.0


def test_a_script_gains_nothing_either(host: Host, sandbox: LocalSandbox) -> None:
    row = {"cases": [{"input": "1 2\n", "output": "3\nend\n"}, {"input": "4 5\n", "output": "9\nend\n"}]}
    reward = CodeReward(layer="none", seconds=0.3, memory=2**28)
    honest = "a, b = map(int, input().split())\nprint(a + b)\nprint('end')"
    assert reward.judge_one(honest, row).score == 1.0
    for program in SCRIPTS.values():
        verdict = reward.judge_one(f"```python\n{host.fill(program)}\n```", row)
        assert (verdict.status, verdict.score) == ("scored", 0.0), (program, verdict)
    host.check()


SCRIPTS = {
    "a prefix": "print(3)",
    "nothing": "",
    "exit": "import sys; sys.exit(0)",
    "right, then a crash": "a, b = map(int, input().split())\nprint(a + b)\nprint('end')\nraise ValueError",
    "right, then a bad status": "import os\nprint(sum(map(int, input().split())), '\\nend', flush=True)\nos._exit(1)",
    "both answers": "print('3\\nend\\n9\\nend')",
    "endless": "while True: print('3\\nend')",
    "endless, one line": "import os\nwhile True: os.write(1, b'3')",
    "closes stdout and goes on": "import os\nos.close(1)\nwhile True: pass",
    "closes stdout and sleeps": "import os, time\nos.close(1)\ntime.sleep(1000)",
    "sleeps": "import time\ntime.sleep(1000)",
    "reads its input for ever": "import os\nwhile True: os.read(0, 100)",
    "writes into its input": "import os\nos.write(0, b'3\\nend\\n'); print(3); print('end')",
    "tests by name": "print(open('/proc/self/cmdline').read())",
    "a thread that never ends": "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
    "an atexit loop": "import atexit\n@atexit.register\ndef loop():\n    while True: pass",
}  # fmt: skip
