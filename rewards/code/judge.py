"""From a program and a problem to a verdict's content. Runs on the trusted side; the engine runs the program."""

from rewards.code.compare import difference
from rewards.code.engine import Budget, CandidateFailed, Engine
from rewards.code.extract import Program, defines
from rewards.code.problems import Case, FunctionTests
from rewards.code.trusted import Tally, run_tests

OUTPUT_ROOM = 65_536  # bytes that a script may print beyond four times what is expected


def judge_functions(program: Program, tests: FunctionTests, engine: Engine, budget: Budget, share: bool) -> Tally:
    """Raises BadRow, Unsendable, SandboxLost."""
    try:
        session = engine.open(sources_of(program, tests), budget)
    except CandidateFailed as error:
        return Tally(0, len(tests.texts), f"the program {error}")
    except Exception as error:
        if not getattr(error, "from_candidate", False):
            raise
        return Tally(0, len(tests.texts), f"the program raised {type(error).__name__}: {error}")
    try:
        tally = run_tests(tests, session, share)
    except BaseException:
        _close(session)
        raise
    late = _close(session)
    return tally if late is None else Tally(0, tally.total, f"the program {late}")


def _close(session: object) -> str | None:
    """Why the session's answers do not count after all (its time), or None."""
    try:
        session.close()  # type: ignore[attr-defined]
    except CandidateFailed as error:
        return str(error)
    return None


def sources_of(program: Program, tests: FunctionTests) -> list[str]:
    """What is defined in the sandbox, in order: the row's own code, then the program. A text without a fence that does
    not define the function continues the row's code (how HumanEval asks a base model)."""
    if not tests.given:
        return [program.text]
    if program.how == "whole text" and not defines(program.text, tests.names[0]):
        return [tests.given + program.text]
    return [tests.given, program.text]


def judge_cases(
    program: Program, cases: tuple[Case, ...], engine: Engine, budget: Budget, share: bool, tolerance: float | None
) -> Tally:
    """Raises SandboxLost."""
    tally = Tally()
    for number, case in enumerate(cases, start=1):
        if budget.left <= 0:
            tally.add(f"case {number}: the program {budget.used_up()}")
        else:
            fault = _one_case(program, case, engine, budget, tolerance)
            tally.add(None if fault is None else f"case {number}: {fault}")
        if tally.fault and not share:
            break
    return tally


def _one_case(program: Program, case: Case, engine: Engine, budget: Budget, tolerance: float | None) -> str | None:
    expected = case.stdout.encode("utf-8", "surrogatepass")
    stdin = case.stdin.encode("utf-8", "surrogatepass")
    finished = engine.run(program.text, stdin, 4 * len(expected) + OUTPUT_ROOM, budget)
    if finished.fault is not None:
        return f"the program {finished.fault}"
    return difference(finished.stdout.decode("utf-8", "replace"), case.stdout, tolerance)
