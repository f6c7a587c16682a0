"""The remote engine: candidates at a sandbox service that speaks SandboxFusion's API (`POST ADDRESS/run_code`).

Request `{"language": "python", "code": …, "stdin": …, "run_timeout": seconds, "memory_limit_MB": …}`, answer
`{"status": "Success" | "Failed" | "SandboxError", "run_result": {"status": "Finished" | "TimeLimitExceeded" | "Error",
"return_code": …, "stdout": …, "execution_time": seconds}}`; see github.com/bytedance/SandboxFusion,
sandbox/server/sandbox_api.py. How well the service isolates programs is its own affair; expected outputs do not reach
it either. One request a script, one a call of a function: calls do not share a process, so nothing that a program
keeps between calls, and no object that is not a plain literal, is there at the next. Its seconds are wall-clock.
"""

import functools
import json
import secrets
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from rewards.code import literals, values
from rewards.code.engine import Budget, CandidateFailed, Finished, SandboxLost
from rewards.errors import RewardError

PATIENCE = 30.0  # seconds for the service's queue and the network, beyond the program's own
MAX_RESPONSE = 2 * literals.MAX_ANSWER

# The files that serve a call, as modules of the names they have here; the request comes by stdin.
_DRIVER = """
import sys, types
for name, text in {modules!r}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
sys.modules["rewards.code.sandbox.program"].serve_once({marker!r})
"""


class RemoteSandbox:
    """An Engine. address: of the service, as http://host:port."""

    def __init__(self, address: str) -> None:
        if not address.startswith(("http://", "https://")):
            raise RewardError(f"code: `remote` is the address of a sandbox service (http://host:port), got {address!r}")
        self.address = address.rstrip("/")

    def start(self) -> None:
        try:
            finished = self.run("print(1 + 1)", b"", 100, Budget(10.0, 2**30))
        except SandboxLost as error:
            raise RewardError(f"code: the sandbox service does not work: {error}") from None
        if finished.stdout.strip() != b"2":
            raise RewardError(f"code: the sandbox service at {self.address} cannot run Python: {finished}")

    def open(self, sources: list[str], budget: Budget) -> "RemoteSession":
        session = RemoteSession(self, sources, budget)
        session.exchange(None)
        return session

    def run(self, source: str, stdin: bytes, max_output: int, budget: Budget) -> Finished:
        result = self._post(source, stdin, budget)
        stdout = str(result.get("stdout") or "").encode("utf-8", "surrogatepass")
        if result.get("status") == "TimeLimitExceeded" or budget.left < 0:
            return Finished(stdout, f"used up its {budget.seconds:g} seconds")
        if result.get("return_code") != 0:
            return Finished(stdout, f"ended by itself with status {result.get('return_code')}")
        return Finished(stdout, f"printed more than {max_output} bytes" if len(stdout) > max_output else None)

    def _post(self, source: str, stdin: bytes, budget: Budget) -> dict[str, Any]:
        """The `run_result`. Raises SandboxLost where the service gives none."""
        wish = {
            "language": "python",
            "code": source,
            "stdin": stdin.decode("utf-8", "surrogatepass"),
            "run_timeout": max(budget.left, 0.1),
            "memory_limit_MB": max(1, budget.memory // 2**20),
        }
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}/run_code", json.dumps(wish).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=budget.seconds + PATIENCE) as response:
                data = response.read(MAX_RESPONSE + 1)
            if len(data) > MAX_RESPONSE:
                return {"status": "Finished", "return_code": 0, "stdout": "", "execution_time": 0.0}
            answer = json.loads(data)
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise SandboxLost(f"code: {self.address}/run_code: {error}") from error
        result = answer.get("run_result") if isinstance(answer, dict) else None
        if not isinstance(result, dict) or answer.get("status") not in ("Success", "Failed"):
            raise SandboxLost(f"code: {self.address}/run_code gave no result: {str(answer)[:200]}")
        budget.spent += float(result.get("execution_time") or 0.0)
        return result


class RemoteSession:
    """A Session that keeps nothing at the service."""

    def __init__(self, engine: RemoteSandbox, sources: list[str], budget: Budget) -> None:
        self._engine, self._sources, self._budget = engine, sources, budget
        self._failure: str | None = None

    def call(self, target: str | int, path: list[str], args: tuple[Any, ...] | None, kwargs: dict[str, Any]) -> Any:
        if isinstance(target, int):
            raise CandidateFailed("returned an object that is no plain literal, which a remote sandbox does not keep")
        return self.exchange({"call": target, "path": path, "args": args, "kwargs": kwargs})

    def exchange(self, call: dict[str, Any] | None) -> Any:
        """One call, or only the definitions."""
        if self._failure is not None:
            raise CandidateFailed(self._failure)
        request = literals.dumps({"sources": self._sources, "call": call}, values.number_of)
        marker = secrets.token_hex(8)
        code = _DRIVER.format(modules=_modules(), marker=marker)
        finished = self._engine.run(code, request, MAX_RESPONSE, self._budget)
        before, found, answer = finished.stdout.rpartition(marker.encode())
        try:
            if not found:
                raise CandidateFailed(finished.fault or "gave no answer")
            return values.read_answer(answer.strip(), self)
        except CandidateFailed as error:
            self._failure = str(error)
            raise

    def close(self) -> None:
        if self._budget.left < 0:
            raise CandidateFailed(f"used up its {self._budget.seconds:g} seconds")


@functools.cache
def _modules() -> list[tuple[str, str]]:
    here = Path(__file__).parent
    names = {"rewards.code.literals": "literals.py", "rewards.code.sandbox.program": "sandbox/program.py"}
    packages = [(name, "") for name in ("rewards", "rewards.code", "rewards.code.sandbox")]
    return packages + [(name, (here / file).read_text(encoding="utf-8")) for name, file in names.items()]
