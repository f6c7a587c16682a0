"""The remote engine against a stand-in that speaks SandboxFusion's API and runs what it is sent with a bare Python."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rewards.code import CodeReward
from rewards.errors import RewardError

ADD = {"test_list": ["assert add(1, 2) == 3", "assert add([1], [2]) == [1, 2]"]}
SUM = {"cases": [{"input": "1 2\n", "output": "3\n"}]}


class Service(BaseHTTPRequestHandler):
    requests: list[dict[str, Any]] = []
    broken = False

    def do_POST(self) -> None:
        wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Service.requests.append({"path": self.path, **wish})
        body = {"status": "SandboxError", "message": "out of order"} if Service.broken else self.answer(wish)
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    @staticmethod
    def answer(wish: dict[str, Any]) -> dict[str, Any]:
        start = time.monotonic()
        result: dict[str, Any] = {"status": "Finished", "return_code": None, "stdout": "", "stderr": ""}
        try:
            command = [sys.executable, "-I", "-c", wish["code"]]
            done = subprocess.run(
                command, input=wish["stdin"], capture_output=True, text=True, timeout=wish["run_timeout"]
            )
            result |= {"return_code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
        except subprocess.TimeoutExpired:
            result["status"] = "TimeLimitExceeded"
        result["execution_time"] = time.monotonic() - start
        return {"status": "Success" if result["return_code"] == 0 else "Failed", "message": "", "run_result": result}

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def remote(address: str) -> CodeReward:
    Service.requests.clear()
    return CodeReward(remote=address, score="share", seconds=8.0)


@pytest.mark.parametrize(
    ("program", "score"),
    [
        ("def add(a, b): return a + b", 1.0),
        ("def add(a, b): return [1, 2]", 0.5),
        ("def add(a, b):\n    print('3')\n    return a + b", 1.0),
        ("def add(a, b): raise ValueError('no')", 0.0),
        ("import os\nos._exit(0)", 0.0),
        ("import sys\nsys.exit(0)", 0.0),
        ("def add(a, b) return", 0.0),
        ("def add(a, b): return lambda: 3", 0.0),
        ("class E(int):\n    def __eq__(s, o): return True\ndef add(a, b): return E()", 0.0),
    ],
)
def test_functions(remote: CodeReward, program: str, score: float) -> None:
    verdict = remote.judge_one(program, ADD)
    assert (verdict.status, verdict.score) == ("scored", score), verdict.detail


@pytest.mark.parametrize(
    ("program", "score"),
    [("print(sum(map(int, input().split())))", 1.0), ("print(4)", 0.0), ("print(3)\nraise ValueError", 0.0)],
)
def test_scripts(remote: CodeReward, program: str, score: float) -> None:
    assert remote.judge_one(program, SUM).score == score


def test_a_hanging_program_is_scored(address: str) -> None:
    verdict = CodeReward(remote=address, seconds=0.5).judge_one("while True: pass", SUM)
    assert (verdict.status, verdict.score) == ("scored", 0.0) and "used up its 0.5 seconds" in verdict.detail


def test_expected_outputs_are_never_sent(remote: CodeReward) -> None:
    row = {"test_list": ["assert add(1, 2) == 987654321 - 987654318"]}
    assert remote.judge_one("def add(a, b): return a + b", row).score == 1.0
    remote.judge_one("print(3)", {"cases": [{"input": "", "output": "987654321"}]})
    assert Service.requests and "9876543" not in json.dumps(Service.requests)
    first = Service.requests[0]
    assert (first["path"], first["language"], first["memory_limit_MB"]) == ("/run_code", "python", 512)


def test_a_service_that_fails_is_no_verdict(remote: CodeReward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Service, "broken", True)
    verdict = remote.judge_one("def add(a, b): return a + b", ADD)
    assert verdict.status == "error" and "out of order" in verdict.detail


def test_warming_up_asks_the_service(remote: CodeReward) -> None:
    remote.warm_up()
    with pytest.raises(RewardError, match="the sandbox service does not work: code: http://127.0.0.1:9/run_code"):
        CodeReward(remote="http://127.0.0.1:9").warm_up()
