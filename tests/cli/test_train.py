"""The command: quick, clear, and told apart by its exit code. Each test runs it in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
HEAVY = {"torch", "transformers", "datasets", "vllm", "trl", "accelerate", "sympy", "pyarrow", "numpy", "rich"}

RECIPE = """\
model: {tiny: {layers: 1, hidden_size: 64, heads: 1, kv_heads: 1, intermediate_size: 64, max_position_embeddings: 64}}
run_dir: run
stages:
  zero:
    kind: rl
    data: {source: problems.jsonl, template: none, columns: {prompt: question, solution: answer}}
    rewards: [math]
    steps: 1
    prompts_per_step: 2
    max_completion_length: 40
    rollout: {engine: transformers}
"""

# Runs the command once for each list of arguments; after each, says how it ended and what is loaded by then.
MANY = """
import contextlib, io, json, sys
from grpo.cli.train import main
for arguments in json.loads(sys.argv[1]):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = main(arguments)
    models = [name for name in sys.modules if name.startswith("transformers.models.") and ".modeling_" in name]
    models = [name for name in models if ".auto." not in name]
    print(json.dumps([code, errors.getvalue(), "torch" in sys.modules, models]))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "r.yaml").write_text(RECIPE)
    rows = [{"question": f"{n}+{n}=", "answer": str(2 * n)} for n in (1, 2, 3)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grpo.cli.train", *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def many(commands: list[list[str]], cwd: Path) -> list[tuple[int, str, bool, list[str]]]:
    done = subprocess.run(
        [sys.executable, "-c", MANY, json.dumps(commands)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


# ── start ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def imported(output: str) -> set[str]:
    """Top-level names in the report of `python -X importtime`."""
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in output.splitlines() if "|" in line}


def test_help_imports_nothing_heavy():
    arguments = [sys.executable, "-X", "importtime", "-m", "grpo.cli.train", "--help"]
    done = subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("usage: grpo-train")
    assert "pydantic" in imported(done.stderr)
    assert not imported(done.stderr) & HEAVY


@pytest.mark.parametrize(("recipe", "page"), [("r.yaml", "stage 1 of 1: zero (rl)"), ("quickstart", "stage 1 of ")])
def test_the_plan_is_printed_before_anything_heavy_is_imported(folder, recipe, page):
    code = f"""
import sys
import grpo.cli.train as cli
cli._check = lambda loaded: print("LOADED", sorted(name for name in sys.modules if "." not in name))
cli.main([{recipe!r}, "--dry-run"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    printed, _, loaded = done.stdout.partition("LOADED")
    assert page in printed
    assert not {name for name in HEAVY if f"'{name}'" in loaded}


# ── a dry run ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_prints_all_and_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    done = command("r.yaml", "stages.zero.steps=5", "--dry-run", "run_dir=out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "    steps: 5\n" in done.stdout
    assert "2 prompts × 8 completions = 16 completions of at most 40 tokens" in done.stdout
    assert "stages.zero.data: 3 rows; longest prompt 4 tokens, mean 4" in done.stdout
    assert "3 prompts = 2 steps an epoch; each prompt is taken 3.33 times" in done.stdout
    assert "estimates (not measurements), 0.0 million parameters" in done.stdout
    assert "The recipe is fine. Nothing was trained" in done.stdout
    assert sorted(folder.rglob("*")) == before


def test_a_warning_is_said_once(folder):
    ended = subprocess.run(
        [sys.executable, "-m", "grpo.cli.train", "r.yaml", "stages.zero.data.split=test", "--dry-run"],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stderr.count("stages.zero.data.split: 'test' has no effect on") == 1


def test_the_resolved_recipe_that_is_printed_is_a_recipe(folder):
    page = command("r.yaml", "--dry-run", cwd=folder).stdout.partition("\nmodel    ")[0]
    (folder / "again.yaml").write_text(page)
    again = command("again.yaml", "--dry-run", cwd=folder).stdout.partition("\nmodel    ")[0]
    assert again.splitlines()[1:] == page.splitlines()[1:]  # the first line names the file


def test_version(tmp_path):
    assert command("--version", cwd=tmp_path).stdout == "grpo 0.1.0\n"


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────────────────────────

# In the recipe itself: told without importing torch. Arguments → what the message says.
IN_THE_RECIPE = {
    "no such recipe": (["quikstart"], "Did you mean quickstart?"),
    "no such file": (["s.yaml"], "Did you mean r.yaml, "),
    "typo in a key": (["typo.yaml"], "stages.zero.stepps (typo.yaml, line 8): unknown key; did you mean `steps`?"),
    "typo in a nested key": (["r.yaml", "stages.zero.rollout.engin=vllm"], "did you mean `engine`?"),
    "bad override": (["r.yaml", "stages.zero.steps"], "'stages.zero.steps' is not an override"),
    "override of no stage": (["r.yaml", "stages.zer.steps=1"], "Did you mean stages.zero?"),
    "group of 1": (["r.yaml", "stages.zero.num_generations=1"], "1 given; must be ≥ 2"),
    "wrong type": (["r.yaml", "stages.zero.steps=ten"], "'ten' given; must be a whole number"),
    "temperature 0": (["r.yaml", "stages.zero.temperature=0"], "a group needs spread, use a temperature > 0"),
    "steps and epochs": (["r.yaml", "stages.zero.epochs=1"], "give either `steps` or `epochs`, not both"),
    "unknown stage policy": (
        ["r.yaml", "stages.zero.policy=worm"],
        "no stage 'worm' that makes a policy (known: base)",
    ),
    "syntax": (["syntax.yaml"], "syntax.yaml, line 3: not valid YAML"),
    "missing variable": (["r.yaml", "run_dir=${GRPO_NOWHERE_SET}"], "GRPO_NOWHERE_SET is not set"),
    "circle": (["circle.yaml"], "recipes extend each other in a circle: circle.yaml → circle.yaml"),
    "no kind": (
        ["r.yaml", "stages.zero={steps: 1}"],
        "no `kind` given; must be 'sft' or 'rl' or 'sample' or 'evaluate'",
    ),
}
# In what the recipe names: told before any model is loaded, in a real run.
IN_THE_DATA = {
    "missing file": (["stages.zero.data.source=none.jsonl"], "stages.zero.data.source: there is no file"),
    "missing column": (["stages.zero.data.columns.prompt=questoin"], "Did you mean 'question'?"),
    "unreadable reference": (["stages.zero.data.source=unreadable.jsonl"], "reward math cannot read the reference"),
    "prompt longer than the context": (["stages.zero.data.source=long.jsonl"], "the prompt has 25 tokens, and 24 fit"),
    "no room for a prompt": (["stages.zero.max_completion_length=64"], "leave no room for a prompt"),
    "unknown reward": (["stages.zero.rewards=[maths]"], "stages.zero.rewards[0].use: "),
    "too few prompts": (["stages.zero.prompts_per_step=4"], "a step takes 4 prompts, and the data has 3"),
    "no such model": (["model=/no/such/model"], "model.path: cannot read the configuration and tokenizer"),
    "unknown tracker": (["trackers=[wandbb]"], "trackers: unknown tracker 'wandbb'"),
    "run folder in a file": (["run_dir=r.yaml/run"], "run_dir: "),
}


def test_mistakes_in_the_recipe_are_told_without_torch(folder):
    (folder / "typo.yaml").write_text(RECIPE.replace("steps: 1\n", "stepps: 1\n"))
    (folder / "syntax.yaml").write_text("model: x\nstages: [\nrun_dir: y: z\n")
    (folder / "circle.yaml").write_text("extends: circle.yaml\n")
    outcomes = many([arguments for arguments, _ in IN_THE_RECIPE.values()], folder)
    for (name, (_, message)), (code, errors, torch, _) in zip(IN_THE_RECIPE.items(), outcomes, strict=True):
        assert (name, code, torch) == (name, 2, False)
        assert message in errors, name
        assert errors.startswith("grpo-train: ") and errors.count("grpo-train: ") == 1, name
        assert "Traceback" not in errors and "pydantic" not in errors, name


def test_mistakes_in_the_data_are_told_before_a_model_is_loaded(folder):
    row = {"question": "9" * 25, "answer": "9"}
    (folder / "long.jsonl").write_text(f"{json.dumps(row)}\n" * 3)
    (folder / "unreadable.jsonl").write_text(f"{json.dumps({'question': '1', 'answer': ''})}\n" * 3)
    outcomes = many([["r.yaml", *arguments] for arguments, _ in IN_THE_DATA.values()], folder)
    for (name, (_, message)), (code, errors, _, models) in zip(IN_THE_DATA.items(), outcomes, strict=True):
        assert (name, code, models) == (name, 2, [])
        assert message in errors, name
        assert errors.count("grpo-train: ") == 1 and "Traceback" not in errors, name
    assert not (folder / "run").exists()


def test_a_mistake_ends_the_process_with_code_2(folder):
    done = command("r.yaml", "sead=1", cwd=folder)
    expected = "grpo-train: sead (command line: sead=1): unknown key; did you mean `seed`?\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)


def test_a_guard_ends_it_with_code_3(folder, monkeypatch, capsys):
    import grpo.cli.train as cli
    from grpo.errors import GuardError

    def stop(loaded, begin):
        raise GuardError("the engine is 3.2 nats off, 0.1 allowed")

    monkeypatch.setattr(cli, "train", stop)
    assert cli.main([str(folder / "r.yaml")]) == 3
    assert capsys.readouterr().err == "grpo-train: stopped by a guard: the engine is 3.2 nats off, 0.1 allowed\n"
