"""Verdicts of the code reward: function problems, scripts, shares, and rows at fault."""

import pickle
import random
from typing import Any

import pytest

from rewards.code import CodeReward
from rewards.code.sandbox.local import LocalSandbox
from rewards.errors import RewardError
from rewards.load import load_reward
from rewards.pool import Pool, RewardSpec
from rewards.verdict import Verdict

ADD = {"test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0", "assert add(2, 2) == 4"]}
SUM = {"cases": [{"input": "1 2\n", "output": "3\n"}, {"input": "4 5\n", "output": "9\n"}]}
HALF = {
    "code_prompt": "import math\n\ndef floor(x):\n    return math.floor(x)\n\ndef half(x):\n",
    "entry_point": "half",
    "test": "def check(candidate):\n    for x in (1, 3):\n        assert candidate(x) == floor(x / 2)\n",
}
HALF["code_prompt"] += '    """Half of x, rounded down."""\n'


def share(sandbox: LocalSandbox) -> CodeReward:
    return CodeReward(score="share", layer="none")


def test_a_right_and_a_wrong_program(code: CodeReward) -> None:
    right = code.judge_one("```python\ndef add(a, b):\n    return a + b\n```", ADD)
    assert (right.score, right.detail) == (1.0, "block 1 of 1: 3 of 3 tests")
    wrong = code.judge_one("```python\ndef add(a, b):\n    return a * b\n```", ADD)
    assert (wrong.score, wrong.detail) == (
        0.0, "block 1 of 1: 0 of 1 tests; assert add(1, 2) == 3: add returned 2",
    )  # fmt: skip


def test_trl_convention(code: CodeReward) -> None:
    programs = ["def add(a, b): return a + b", "def add(a, b): return 0", "no"]
    assert code(completions=programs, test_list=[ADD["test_list"]] * 3) == [1.0, 0.0, 0.0]


def test_shares(sandbox: LocalSandbox) -> None:
    assert share(sandbox).judge_one("def add(a, b): return a * b", ADD).score == pytest.approx(2 / 3)
    assert share(sandbox).judge_one("print(3)", SUM).score == 0.5
    texts = {"tests": "\n".join(ADD["test_list"]), "entry_point": "add"}
    assert share(sandbox).judge_one("def add(a, b): return a * b", texts).score == pytest.approx(2 / 3)
    assert share(sandbox).judge_one("def add(a, b): return a + b", texts).detail.endswith("3 of 3 tests")
    assert share(sandbox).judge_one("def add(a, b): return {}[a]", ADD).score == 0.0


def test_a_share_counts_asserts_that_were_not_reached_as_failed(sandbox: LocalSandbox) -> None:
    texts = {"tests": "assert f(1) == 1\nx = f(0)\nassert f(2) == 2\nassert f(3) == 3", "entry_point": "f"}
    verdict = share(sandbox).judge_one("def f(x): return x if x else 1 / 0", texts)
    assert verdict.score == pytest.approx(1 / 3)
    assert "x = f(0): f raised ZeroDivisionError: division by zero" in verdict.detail


def test_a_share_counts_an_assert_as_often_as_it_is_reached(sandbox: LocalSandbox) -> None:
    completion = HALF["code_prompt"] + "    return 0"
    assert share(sandbox).judge_one(completion, HALF).score == 0.5


@pytest.mark.parametrize(
    "completion",
    [
        "    return floor(x / 2)",  # continues the row's code
        "```python\ndef half(x):\n    return floor(x / 2)\n```",  # uses its helpers
        "```python\nfrom __future__ import annotations\ndef half(x: Never) -> int:\n    return x // 2\n```",
        HALF["code_prompt"] + "    return x // 2",
    ],
)
def test_the_rows_own_code_is_there(completion: str, code: CodeReward) -> None:
    assert code.judge_one(completion, HALF).score == 1.0


def test_the_rows_stub_alone_earns_nothing(code: CodeReward) -> None:
    assert code.judge_one("```python\nx = 1\n```", HALF).score == 0.0


def test_methods_keywords_and_exceptions(code: CodeReward) -> None:
    row = {
        "entry_point": "Solution().top",
        "test": "def check(candidate):\n    assert candidate(numbers=[3, 1]) == 3\n"
        "    try:\n        candidate(numbers=[])\n        assert False\n    except ValueError:\n        pass",
    }
    assert code.judge_one("class Solution:\n    def top(self, numbers): return max(numbers)", row).score == 1.0
    assert (
        code.judge_one("class Solution:\n    def top(self, numbers): return max(numbers, default=0)", row).score == 0.0
    )
    died = code.judge_one(
        "class Solution:\n    def top(self, numbers): return max(numbers) if numbers else exit()", row
    )
    assert died.score == 0.0 and "top" not in died.status


def test_objects_stay_with_the_candidate(code: CodeReward) -> None:
    row = {"test_list": ["s = Stack()\ns.push(1)\nassert s.size() == 1 and depth(s) == 1 and s.items == [1]"]}
    stack = "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n"
    stack += "    def size(self): return len(self.items)\ndef depth(s): return len(s.items)"
    assert code.judge_one(stack, row).score == 1.0
    closures = {"test_list": ["assert adder(2)(3) == 5", "assert adder(1) != adder(1)"]}
    assert code.judge_one("def adder(a): return lambda b: a + b", closures).score == 1.0


def test_arguments_are_copies(code: CodeReward) -> None:
    row = {"test_list": ["x = [3, 1]\nassert f(x) == sorted(x)"]}
    assert code.judge_one("def f(x):\n    x.clear()\n    return []", row).score == 0.0


def test_scripts(code: CodeReward) -> None:
    good = (
        "import sys\ndef main(): print(sum(map(int, sys.stdin.read().split())))\nif __name__ == '__main__':\n    main()"
    )
    assert code.judge_one(good, SUM).score == 1.0
    threads = "import threading\nthreading.stack_size(2**26)\ndef main(): print(sum(map(int, input().split())))\n"
    threads += "threading.Thread(target=main).start()"
    assert code.judge_one(threads, SUM).score == 1.0
    late = "import atexit\natexit.register(lambda: print(sum(map(int, input().split()))))\nraise SystemExit"
    assert code.judge_one(late, SUM).score == 1.0
    assert "case 2: line 1 is '3' instead of '9'" in code.judge_one("print(3)", SUM).detail
    assert "ended by itself with status 1" in code.judge_one("1 / 0", SUM).detail


def test_a_large_input_and_a_large_output(code: CodeReward) -> None:
    text = "\n".join(map(str, range(60_000)))
    row = {"cases": [{"input": text, "output": text}]}
    assert code.judge_one("import sys\nsys.stdout.write(sys.stdin.read())", row).score == 1.0


def test_tolerance(sandbox: LocalSandbox) -> None:
    row = {"cases": [{"input": "", "output": "0.333333333"}]}
    assert CodeReward(layer="none", tolerance=1e-6).judge_one("print(1 / 3)", row).score == 1.0
    assert CodeReward(layer="none").judge_one("print(1 / 3)", row).score == 0.0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"test_list": ["assert f(lambda x: x) == 1"]}, "passes a function, which is no plain literal"),
        ({"test_list": ["assert f(x) == 1"], "test_setup_code": "x = 1 / 0"}, "own setup raised ZeroDivisionError"),
        ({"test_list": ["import not_there\nassert f(1) == 1"]}, "the row's tests raised ModuleNotFoundError"),
        ({"test_list": ["assert True or f(1)"]}, "pass without calling the candidate"),
        ({"tests": "def test():\n    assert f(1) == 2"}, "pass without calling the candidate"),
    ],
)  # fmt: skip
def test_rows_whose_tests_are_at_fault(row: dict[str, Any], words: str, code: CodeReward) -> None:
    verdict = code.judge_one("def f(x): return 1", row)
    assert verdict.status == "bad_reference" and words in verdict.detail


def test_tests_leave_the_judge_as_it_was(code: CodeReward, capsys: pytest.CaptureFixture[str]) -> None:
    random.seed(5)
    expected = random.Random(5).random()
    row = {"test_list": ["import random\nrandom.seed(9)\nprint('loud')\nassert add(random.random(), 0) > 0"]}
    assert code.judge_one("def add(a, b): return a + b", row).score == 1.0
    assert random.random() == expected
    assert capsys.readouterr().out == ""


def test_the_same_again(code: CodeReward) -> None:
    """Hashes, random numbers and counters begin the same in every sandbox."""
    program = "import random\ndef draw(): return random.random(), hash('a'), list({'x', 'y', 'z'})"
    row = {"test_list": ["assert draw() == 0"]}
    assert code.judge_one(program, row).detail == code.judge_one(program, row).detail
    where = code.judge_one("def draw(): raise ValueError(object())", row).detail
    assert where.endswith("draw raised ValueError: <object object>")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"score": "some"}, "score is `all` or `share`"),
        ({"seconds": 0}, "must be more than 0"),
        ({"tolerance": 2}, "`tolerance` is at least 0"),
        ({"layer": "docker"}, "`layer` is auto, none, namespaces, bubblewrap"),
        ({"allow_missing": ["walls"]}, "names no guard: ['walls']"),
        ({"remote": "localhost"}, "address of a sandbox service"),
        ({"remote": "http://localhost", "layer": "none"}, "of this machine's sandbox"),
    ],
)
def test_wrong_parameters(params: dict[str, Any], words: str, sandbox: LocalSandbox) -> None:
    with pytest.raises(RewardError) as error:
        CodeReward(**params)
    assert words in str(error.value)


def test_in_a_pool(sandbox: LocalSandbox, tmp_path: Any) -> None:
    """By its name, in workers; and a ready-made one travels."""
    assert isinstance(load_reward("code", {}, tmp_path), CodeReward)
    pickled = pickle.dumps(CodeReward(layer="none", score="share"))
    with Pool({"code": RewardSpec("code"), "share": RewardSpec("code", pickled=pickled)}, workers=2) as pool:
        for index, operator in enumerate("+*-+"):
            for label in ("code", "share"):
                pool.submit(index, label, f"def add(a, b): return a {operator} b", ADD)
        results = pool.collect()
    verdicts = [[results[(index, label)] for index in range(4)] for label in ("code", "share")]
    scores = [[v.score for v in row if isinstance(v, Verdict)] for row in verdicts]
    assert scores == [[1.0, 0.0, 0.0, 1.0], [1.0, pytest.approx(2 / 3), pytest.approx(1 / 3), 1.0]]
