"""Rows to problems, and rows that are none."""

from typing import Any

import pytest

from rewards.code import CodeReward
from rewards.code.problems import BadRow, Case, FunctionTests, read_problem

HUMAN_EVAL = {
    "prompt": 'import math\n\ndef half(x):\n    """Half of x."""\n',
    "entry_point": "half",
    "test": "def check(candidate):\n    assert candidate(4) == 2\n",
}


def names(row: dict[str, Any]) -> tuple[str, ...]:
    problem = read_problem(row)
    assert isinstance(problem, FunctionTests)
    return problem.names


def test_humaneval() -> None:
    problem = read_problem(HUMAN_EVAL)
    assert isinstance(problem, FunctionTests)
    assert (problem.names, problem.calls_check, problem.given) == (("half",), True, HUMAN_EVAL["prompt"])


def test_a_rendered_prompt_is_no_code() -> None:
    problem = read_problem({**HUMAN_EVAL, "prompt": "<|user|>Write half.<|assistant|>"})
    assert isinstance(problem, FunctionTests) and problem.given == ""
    problem = read_problem({**HUMAN_EVAL, "prompt": "Write half.", "code_prompt": HUMAN_EVAL["prompt"]})
    assert isinstance(problem, FunctionTests) and problem.given == HUMAN_EVAL["prompt"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"test_list": ["assert add(1, 2) == 3"]}, ("add",)),
        ({"test_list": "[\"assert add(1, 2) == 3\"]"}, ("add",)),
        ({"tests": "assert add(1, 2) == 3", "entry_point": "add"}, ("add",)),
        ({"tests": ["assert add(x := 1, 2) == x + 2"]}, ("add",)),
        ({"test_list": ["assert math.isclose(area(1), math.pi)"], "test_imports": ["import math"]}, ("area",)),
        ({"test_list": ["assert math.isclose(area(1), math.pi)"]}, ("area",)),
        ({"test_list": ["assert far([Pair(1, 2)]) == 1"], "code": "class Pair: 0\ndef far(p): 0"}, ("far", "Pair")),
        ({"test_list": ["assert sum(1, 2) == 3"], "code": "def sum(a, b): return a + b"}, ("sum",)),
        ({"test": "def check(candidate):\n    assert candidate(1) == 1", "entry_point": "Best().top"}, ("Best",)),
        ({"tests": "def helper(x):\n    return f(x)\nassert helper(1) == [y for y in (1,)][0]"}, ("f",)),
    ],
)  # fmt: skip
def test_what_the_candidate_must_define(row: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert names(row) == expected


def test_cases() -> None:
    assert read_problem({"cases": [{"input": "1\n", "output": "2\n"}], "test_list": None}) == (Case("1\n", "2\n"),)
    assert read_problem({"cases": '[{"input": "1", "output": "2"}]'}) == (Case("1", "2"),)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "the row has no tests"),
        ({"test_list": []}, "the row has no tests"),
        ({"tests": "  "}, "the row has no tests"),
        ({"test_list": ["assert f(1)"], "cases": [{"input": "", "output": "1"}]}, "in several columns"),
        ({"test_list": [1]}, "neither a text nor a list of texts"),
        ({"test_list": ["assert f(1"]}, "test 1 is no Python"),
        ({"test_list": ["f(1)"]}, "no assert: every program would pass"),
        ({"test_list": ["assert 1 == 1"]}, "call nothing that a program could define"),
        ({"test": HUMAN_EVAL["test"]}, "no `entry_point` to check"),
        ({"test_list": ["assert eval(f(1)) == 1"]}, "the tests use eval"),
        ({"test_list": ["import pickle\nassert pickle.loads(f(1)) == 1"]}, "the tests use pickle"),
        ({"test_list": ["from subprocess import run\nassert run(f(1)) == 1"]}, "the tests use subprocess"),
        ({"test_list": ["assert f(1)"], "entry_point": "f(1)"}, "`entry_point` is 'f(1)'"),
        ({"cases": [{"input": "1"}]}, "case 1 of `cases` has no texts"),
        ({"cases": [{"input": "1", "output": " \n"}]}, "a program that prints nothing would pass"),
        ({"cases": [{"input": "", "output": "1"}] * 1001}, "at most 1000 cases"),
        ({"test_list": ["assert f(1)"], "test_setup_code": "def"}, "`test_setup_code` is no Python"),
    ],
)
def test_rows_that_are_no_problem(row: dict[str, Any], words: str, code: CodeReward) -> None:
    with pytest.raises(BadRow, match=words.replace("(", r"\(").replace(")", r"\)")):
        read_problem(row)
    assert words in str(code.check_reference(row))
    verdict = code.judge_one("def f(x): return 1", row)
    assert verdict.status == "bad_reference" and words in verdict.detail
