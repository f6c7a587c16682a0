r"""The code reward: a Python program against the row's tests.

    row {"test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]}
    completion "```python\ndef add(a, b):\n    return a + b\n```"     → scored 1.0, "2 of 2 tests"
    completion "```python\ndef add(a, b):\n    return a - b\n```"     → scored 0.0 (with `score: share`: 0.5)

Which text is the program: `extract`. What a row may hold: `problems`. How tests are run: `trusted`, on this side, so
that expected outputs and the verdict never enter the sandbox (`sandbox`). Programs that crash, hang or use too much
are wrong: scored 0.0.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.code.engine import Budget, Engine, SandboxLost, Unsendable
from rewards.code.extract import MAX_PROGRAM, Program, extract_program
from rewards.code.judge import judge_cases, judge_functions
from rewards.code.problems import BadRow, Case, FunctionTests, read_problem
from rewards.code.trusted import Tally
from rewards.errors import RewardError
from rewards.protocol import RowReward
from rewards.verdict import Verdict, scored

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class CodeReward(RowReward):
    """1.0 for a program that passes every test of its row.

    score: `all` (all or nothing) or `share` (the share of tests that pass).
    seconds: CPU seconds that a program may use for all its tests together, wherever the sandbox runs. Give the pool's
        deadline (`seconds` of the recipe's reward, CPU seconds of the judge) at least as much.
    memory: bytes of address space for the program. require_fence: a text without a fenced block is no program.
    tolerance: by how much printed decimal numbers may differ; None demands the same text.
    modules: packages beyond the standard library that programs may import (they are imported when the sandbox starts).
    allow_missing: names of guards that this machine may lack; without it, a missing guard is an error.
    layer: what is put around the guards: `none`, `namespaces`, `bubblewrap`; `auto` takes what there is.
    remote: address of a sandbox service (SandboxFusion's API) to run programs at, instead of on this machine.
    """

    name = "code"

    def __init__(
        self,
        score: str = "all",
        seconds: float = 5.0,
        memory: int = 2**29,
        require_fence: bool = False,
        tolerance: float | None = None,
        modules: Sequence[str] = (),
        allow_missing: Sequence[str] = (),
        layer: str = "auto",
        remote: str | None = None,
    ) -> None:
        if score not in ("all", "share"):
            raise RewardError(f"code: score is `all` or `share`, got {score!r}")
        if not seconds > 0 or not memory > 0:
            raise RewardError(f"code: `seconds` and `memory` must be more than 0, got {seconds} and {memory}")
        if tolerance is not None and not 0 <= tolerance < 1:
            raise RewardError(f"code: `tolerance` is at least 0 and less than 1, got {tolerance}")
        self.share, self.seconds, self.memory = score == "share", seconds, memory
        self.require_fence, self.tolerance = require_fence, tolerance
        self.engine = _engine(remote, tuple(modules), tuple(allow_missing), layer)

    def warm_up(self) -> None:
        self.engine.start()

    def check_reference(self, row: Mapping[str, Any]) -> str | None:
        try:
            read_problem(row)
        except BadRow as error:
            return str(error)
        return None

    def judge_one(self, completion: str, row: Mapping[str, Any]) -> Verdict:
        try:
            problem = read_problem(row)
            entry = problem.names[0] if isinstance(problem, FunctionTests) else None
            program = extract_program(completion, entry, self.require_fence)
            if program is None:
                return scored(0.0, "no program" + (" in a fenced block" if self.require_fence else ""))
            if len(program.text) > MAX_PROGRAM:
                return scored(0.0, f"the program ({program.how}) is longer than {MAX_PROGRAM} characters")
            return self._verdict(program, self._tally(program, problem))
        except (BadRow, Unsendable) as error:
            return Verdict("bad_reference", detail=str(error))
        except SandboxLost as error:
            return Verdict("error", detail=f"twice: {error}")

    def _tally(self, program: Program, problem: FunctionTests | tuple[Case, ...]) -> Tally:
        """Once more where the sandbox was ended from outside."""
        try:
            return self._judge(program, problem)
        except SandboxLost:
            return self._judge(program, problem)

    def _judge(self, program: Program, problem: FunctionTests | tuple[Case, ...]) -> Tally:
        budget = Budget(self.seconds, self.memory)
        if isinstance(problem, FunctionTests):
            return judge_functions(program, problem, self.engine, budget, self.share)
        return judge_cases(program, problem, self.engine, budget, self.share, self.tolerance)

    def _verdict(self, program: Program, tally: Tally) -> Verdict:
        passed = f"{program.how}: {tally.passed} of {tally.total} tests"
        all_passed = tally.total > 0 and tally.passed == tally.total and not tally.fault
        score = tally.passed / max(tally.total, 1) if self.share else float(all_passed)
        fault = _ADDRESS.sub("", tally.fault)  # a replay says the same
        return scored(score, f"{passed}; {fault}" if fault else passed)


def _engine(remote: str | None, modules: tuple[str, ...], allow_missing: tuple[str, ...], layer: str) -> Engine:
    if remote is not None:
        from rewards.code.remote import RemoteSandbox

        if modules or allow_missing or layer != "auto":
            raise RewardError(
                "code: `modules`, `allow_missing` and `layer` are of this machine's sandbox, not `remote`"
            )
        return RemoteSandbox(remote)
    from rewards.code.sandbox.local import LocalSandbox

    return LocalSandbox(modules, allow_missing, layer)
