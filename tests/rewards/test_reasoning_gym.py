"""reasoning-gym: what is refused, what is said without it, and, where it is installed, its tasks."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from rewards.errors import RewardError
from rewards.load import load_reward
from rewards.reasoning_gym import REFUSED, ReasoningGymReward, problems, rows

INSTALLED = importlib.util.find_spec("reasoning_gym") is not None
needs_it = pytest.mark.skipif(not INSTALLED, reason="needs reasoning-gym")
UNTRUSTED = {"composite", "game_of_life_halting", "isomorphic_strings", "list_functions", "ransom_note"}
ROOT = Path(__file__).resolve().parents[2]


def test_scorers_that_execute_text_are_refused_by_name() -> None:
    evaluating = {"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"}
    parsing = {"countdown", "puzzle24", "simple_integration", "intermediate_integration", "polynomial_multiplication"}
    own = {"bitwise_arithmetic", "number_sorting", "codeio"}
    assert evaluating | parsing | own | UNTRUSTED == set(REFUSED)
    for task in REFUSED:
        with pytest.raises(RewardError, match=f"the task {task} is not scored: it"):
            rows(task, count=1)


def test_a_row_of_a_refused_task_is_a_bad_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rewards.reasoning_gym.reward.load_package", lambda: None)
    row = {"task": "countdown", "seed": 0, "index": 0}
    assert "use the reward `countdown`" in (ReasoningGymReward().check_reference(row) or "")
    verdict = ReasoningGymReward().judge_one("<answer>__import__('os').system('true')</answer>", row)
    assert verdict.status == "bad_reference"
    assert "no column seed, index" in (ReasoningGymReward().check_reference({"task": "chain_sum"}) or "")


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    problems.load_package.cache_clear()
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    for use in (lambda: load_reward("reasoning_gym", {}, Path(".")), lambda: rows("chain_sum")):
        with pytest.raises(RewardError, match=r"pip install 'grpo\[reasoning-gym\]'"):
            use()
    problems.load_package.cache_clear()


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problems.load_package.cache_clear()
    monkeypatch.setitem(sys.modules, "reasoning_gym", sys)  # stands for the package
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.2.0")
    with pytest.raises(RewardError, match=r"pip install reasoning-gym==0\.1\.25"):
        ReasoningGymReward()
    problems.load_package.cache_clear()


@needs_it
def test_the_list_is_what_the_installed_scorers_do() -> None:
    """Every task whose scorer, or the code it calls in the same module, evaluates text is refused."""
    import ast
    import inspect

    found = set()
    for name, (task, _) in problems.load_package().factory.DATASETS.items():
        tree = ast.parse(inspect.getsource(inspect.getmodule(task.score_answer)))
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        evaluates = called & {"eval", "exec", "parse_expr", "sp.parse_expr", "sympy.parse_expr", "sp.sympify"}
        if evaluates and name not in ("basic_arithmetic", "propositional_logic", "gsm_symbolic"):
            found.add(name)
    # Those three evaluate text of their own generator while making a problem (or have a parser of that name).
    assert found <= set(REFUSED) and found >= set(REFUSED) - UNTRUSTED


@needs_it
def test_rows_are_seeded_and_splits_share_nothing() -> None:
    some = rows("chain_sum", count=30, config={"max_terms": 3})
    assert some == rows("chain_sum", count=40, config={"max_terms": 3})[:30]
    assert some[:20] != rows("chain_sum", count=20, seed=1, config={"max_terms": 3})
    held_out = rows("chain_sum", count=10, split="test", config={"max_terms": 3})
    assert len(held_out) == 10 and not {r["prompt"] for r in some} & {r["prompt"] for r in held_out}
    assert set(some[0]) == {"prompt", "solution", "task", "seed", "index", "config", "digest"}
    assert {r["seed"] for r in rows("chain_sum", count=700)} != {some[0]["seed"]}  # more than one seed's problems
    for task, said in (("chain_sun", "near it are chain_sum"), ("chain_sum", "does not take")):
        with pytest.raises(RewardError, match=said):
            rows(task, count=1, config={"no_such_setting": 1})
    with pytest.raises(RewardError, match="train and test"):
        rows("chain_sum", split="dev")


@needs_it
def test_answers_are_scored_in_a_worker_of_its_own() -> None:
    sums, factors = rows("chain_sum", count=2), rows("prime_factorization", count=1)
    reward = ReasoningGymReward()
    batch = [*sums, *sums, *factors, *factors, {**sums[0], "digest": "another"}]
    answers = [r["solution"] for r in sums] + [
        "7 or 8",
        f"x {sums[1]['solution']}",
        factors[0]["solution"],
        "no idea",
        "1",
    ]
    columns = {name: [row[name] for row in batch] for name in batch[0]}
    verdicts = reward.judge(completions=[f"<think>hm</think> <answer>{a}</answer>" for a in answers], **columns)
    assert [v.score for v in verdicts] == [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, None]
    assert "chain_sum's scorer says 1" in verdicts[0].detail and "cannot read it (ValueError" in verdicts[5].detail
    assert "is another problem here" in verdicts[6].detail
    assert ReasoningGymReward(partial=True).judge_one(f"<answer>x {sums[1]['solution']}</answer>", sums[1]).score > 0  # type: ignore[operator]


@needs_it
def test_problems_are_the_same_whatever_pythons_hash_seed() -> None:
    code = (
        "import sys; from rewards.reasoning_gym import rows; print([r['digest'] for r in rows(sys.argv[1], count=3)])"
    )
    for task in ("word_ladder", "zebra_puzzles", "family_relationships"):
        said = set()
        for seed in ("0", "1"):
            env = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
            command = [sys.executable, "-c", code, task]
            said.add(subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout)
        assert len(said) == 1, task
