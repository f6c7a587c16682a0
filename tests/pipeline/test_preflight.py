"""What is found before a model is loaded."""

import json

import pytest

from grpo.errors import UserError
from grpo.pipeline.intents import intents
from grpo.pipeline.preflight import preflight
from grpo.recipe.load import load_recipe
from grpo.recipe.plan import DataSizes
from grpo.stages.stage import Given, StageResult

RECIPE = """\
model: {tiny: {layers: 1, hidden_size: 64, heads: 1, kv_heads: 1, intermediate_size: 64, max_position_embeddings: 64}}
run_dir: RUN
stages:
  warm:
    kind: sft
    data: {source: examples.jsonl, template: none}
    max_length: 32
    epochs: 1
  zero:
    kind: rl
    data: {source: problems.jsonl, template: none, columns: {prompt: question, solution: answer}}
    rewards: [math]
    steps: 3
    prompts_per_step: 2
    max_completion_length: 40
    evaluate:
      data: {source: problems.jsonl, template: none, rows: "0:2", columns: {prompt: question, solution: answer}}
"""
PROBLEMS = [{"question": f"{n}+{n}=", "answer": str(2 * n)} for n in (1, 2, 300)]
EXAMPLES = [{"prompt": "1+1=", "completion": "2"}, {"prompt": "10+10=", "completion": "20"}]


@pytest.fixture
def write(tmp_path):
    """Writes the recipe and its data, and loads it with overrides."""

    def write(*overrides, problems=PROBLEMS, examples=EXAMPLES):
        (tmp_path / "recipe.yaml").write_text(RECIPE.replace("RUN", str(tmp_path / "run")))
        for name, rows in (("problems", problems), ("examples", examples)):
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return load_recipe(str(tmp_path / "recipe.yaml"), overrides)

    return write


def mistake(loaded, **given) -> UserError:
    with pytest.raises(UserError) as caught:
        preflight(loaded, **given)
    return caught.value


def test_sizes_and_lines(write, tmp_path):
    report = preflight(write())
    # "10+10=" with "20" and the end of sequence: 6 + 2 + 1 characters
    assert report.sizes == {"warm": DataSizes(2, None, 6), "zero": DataSizes(3, held_out=2, longest_prompt=8)}
    assert report.lines == (
        "stages.warm.data: 2 rows; longest sequence 9 tokens, mean 8",
        "stages.zero.data: 3 rows; longest prompt 8 tokens, mean 5",
        "stages.zero.evaluate.data: 2 rows; longest prompt 4 tokens, mean 4",
    )
    assert not (tmp_path / "run").exists()


def test_a_column_that_is_not_there(write):
    error = mistake(write("stages.zero.data.columns.prompt=questoin"))
    assert error.where == "stages.zero.data.columns.prompt"
    assert "has no column 'questoin'" in error.message
    assert "Did you mean 'question'?" in error.advice


def test_a_completion_that_is_not_there(write):
    error = mistake(write(examples=[{"prompt": "1", "answer": "2"}]))
    assert error.where == "stages.warm.data.columns"
    assert "examples.jsonl, row 0 (counted from 0) has no column 'completion'" in error.message


def test_a_reference_that_cannot_be_read(write):
    problems = [*PROBLEMS, {"question": "?", "answer": ""}]
    error = mistake(write(problems=problems))
    assert error.where == "stages.zero.data"
    assert error.message.startswith("problems.jsonl, row 3 (counted from 0): reward math cannot read the reference: ")
    assert error.message.endswith("(1 of 4 rows)")
    assert "stages.zero.data.unreadable: drop" in error.advice


def test_unreadable_references_are_dropped_by_choice(write):
    problems = [{"question": "?", "answer": ""}, *PROBLEMS]
    report = preflight(write("stages.zero.data.unreadable=drop", "stages.zero.evaluate=null", problems=problems))
    assert report.sizes["zero"].rows == 3
    assert report.lines[1].endswith("; dropped: 1 unreadable")


def test_no_reference_at_all(write):
    error = mistake(write("stages.zero.data.columns={prompt: question, x: answer}", "stages.zero.evaluate=null"))
    assert "(3 of 3 rows)" in error.message
    assert "map the column that holds the reference (stages.zero.data.columns.solution)" in error.advice


def test_a_prompt_that_does_not_fit(write):
    problems = [*PROBLEMS, {"question": "9" * 25, "answer": "9"}]
    error = mistake(write(problems=problems))  # a context of 64 less 40 tokens of completion
    assert error.where == "stages.zero.data.too_long"
    assert error.message == "problems.jsonl, row 3 (counted from 0): the prompt has 25 tokens, and 24 fit"


def test_prompts_that_do_not_fit_are_dropped_by_choice(write):
    problems = [*PROBLEMS, {"question": "9" * 25, "answer": ""}, {"question": "9" * 25, "answer": "9"}]
    overrides = ("stages.zero.data.too_long=drop", "stages.zero.data.unreadable=drop")
    report = preflight(write(*overrides, problems=problems))
    assert report.sizes["zero"].rows == 3
    assert report.lines[1].endswith("; dropped: 1 too long, 1 unreadable")


@pytest.mark.parametrize(
    ("override", "where", "message"),
    [
        ("stages.zero.max_completion_length=64", "stages.zero.max_completion_length", "leave no room for a prompt"),
        (
            "stages.zero.evaluate.max_completion_length=70",
            "stages.zero.evaluate.max_completion_length",
            "the model's context is 64",
        ),
        ("stages.warm.max_length=65", "stages.warm.max_length", "65 given, and the model's context is 64"),
        ("stages.warm.max_length=8", "stages.warm.data.too_long", "prompt and completion have 9 tokens, and 8 fit"),
        (
            "stages.zero.prompts_per_step=4",
            "stages.zero.prompts_per_step",
            "a step takes 4 prompts, and the data has 3",
        ),
        ("stages.zero.data.source=none.jsonl", "stages.zero.data.source", "there is no file"),
        ("stages.zero.data.source=task:arithmetik", "stages.zero.data.source", "arithmetik"),
        ("stages.zero.data.rows=0:9", "stages.zero.data.rows", "has 3 rows"),
        ("stages.zero.rewards=[maths]", "stages.zero.rewards[0].use", "math"),
        ("stages.zero.evaluate.rewards=[maths]", "stages.zero.evaluate.rewards[0].use", "math"),
        ("stages.zero.rewards=[{use: math, params: {anchor: 1}}]", "stages.zero.rewards[0].use", "anchor"),
        ("stages.zero.rewards=[none.py:f]", "stages.zero.rewards[0].use", "no file"),
        ("stages.zero.data.template=chatt", "stages.zero.data.template", "chatt"),
        ("trackers=[wandbb]", "trackers", "unknown tracker 'wandbb'"),
        ("run_dir=/dev/null/run", "run_dir", "/dev/null is not a folder"),
        ("model=/no/such/model", "model.path", "cannot read the configuration and tokenizer of '/no/such/model'"),
        ("stages.warm.model=/no/such", "stages.warm.model.path", "cannot read the configuration and tokenizer of"),
    ],
)
def test_other_mistakes_name_their_key(write, override, where, message):
    error = mistake(write(override))
    assert error.where == where
    assert message in str(error)


def test_settings_of_vllm_with_the_other_engine(write):
    error = mistake(write("stages.zero.rollout={engine: transformers, placement: own_process}"))
    assert error.where == "stages.zero.rollout.placement"


def test_vllm_that_is_not_installed(write, monkeypatch):
    monkeypatch.setattr("grpo.rollout.open.find_spec", lambda name: None)
    error = mistake(write("stages.zero.rollout.engine=vllm"))
    assert (error.where, error.message) == ("stages.zero.rollout.engine", "vLLM is not installed")


@pytest.mark.parametrize("setting", ["optim=adamw_torch_8bit", "stochastic_rounding=true"])
def test_torchao_that_is_not_installed(write, monkeypatch, setting):
    monkeypatch.setattr("grpo.training.torchao_adamw.find_spec", lambda name: None)
    error = mistake(write(f"stages.zero.{setting}", "model.dtype=bfloat16"))
    assert error.where == f"stages.zero.{setting.partition('=')[0]}"
    assert "pip install 'grpo[torchao]'" in str(error)


@pytest.mark.parametrize("setting", ["optim=adamw_torch_8bit", "torch_compile=true"])
def test_a_compiler_that_is_not_there(write, monkeypatch, setting):
    monkeypatch.setattr("grpo.training.torchao_adamw.find_spec", lambda name: True)
    for variable in ("CC", "CXX"):
        monkeypatch.setenv(variable, "/no/such/compiler")
    error = mistake(write(f"stages.zero.{setting}"))
    assert error.where == f"stages.zero.{setting.partition('=')[0]}"
    assert "there is no /no/such/compiler" in str(error)


def test_rows_and_functions_from_python(write):
    rows = [{"question": "12345=", "answer": "6"}] * 4
    given = Given(rows=rows, evaluation_rows=rows[:2], functions={"mine": lambda completions, **_: [1.0]})
    report = preflight(write("stages.zero.rewards=[mine]"), given=given)
    assert report.sizes["zero"] == DataSizes(4, held_out=2, longest_prompt=6)


def test_stages_that_are_done_are_passed_over(write, tmp_path):
    loaded = write(examples=[{"nothing": "of use"}])
    warm = intents(loaded)[0].ledger
    warm.open({})
    warm.close(StageResult(str(tmp_path / "run" / "warm" / "final"), {}))
    assert list(preflight(loaded).sizes) == ["zero"]


WAITING = """\
  traces: {kind: sample, policy: zero, data: {source: problems.jsonl, columns: {prompt: question, solution: answer},
    template: none}, rewards: [math], max_completion_length: 8}
  last:
    kind: rl
    policy: zero
    mixture:
      made: {data: {source: "stage:traces", template: none}, rewards: [math]}
      there: {data: {source: problems.jsonl, template: none, columns: {prompt: question}}, rewards: [format], weight: 0}
    steps: 2
    prompts_per_step: 2
    max_completion_length: 16
  student: {kind: sft, policy: base, data: {source: "stage:traces", template: none}, epochs: 1, max_length: 64}
  out: {kind: export, policy: student}
"""


@pytest.mark.parametrize(
    ("override", "where", "message"),
    [
        (
            "stages.last.mixture.made.rewards.0.use=maths",
            "stages.last.mixture.made.rewards[0].use",
            "no reward 'maths'",
        ),
        ("stages.last.mixture.made.data.template=nowhere", "stages.last.mixture.made.data.template", "is no template"),
        ("stages.last.max_completion_length=64", "stages.last.max_completion_length", "leave no room for a prompt"),
        ("stages.student.max_length=65", "stages.student.max_length", "the model's context is 64"),
        ("stages.student.model=/nowhere", "stages.student.model.path", "cannot read the configuration and tokenizer"),
        ("stages.last.mixture.there.weight=3", "stages.last.prompts_per_step", "a step takes 6 prompts of source 'th"),
        ("stages.last.reference=/nowhere", "stages.last.reference", "cannot read the configuration"),
        (
            "stages.last.mixture.made.rewards=[{use: reward_model, params: {path: gone}}]",
            "stages.last.mixture.made.rewards[0].params.path",
            "cannot load a reward model",
        ),
    ],
)
def test_what_waits_for_rows_is_checked_as_far_as_it_can_be(write, tmp_path, override, where, message):
    write()
    with (tmp_path / "recipe.yaml").open("a") as file:
        file.write(WAITING)
    path, size = str(tmp_path / "recipe.yaml"), "stages.last.prompts_per_step=8"
    preflight(load_recipe(path))
    overrides = [override, "stages.last.beta=1"] if "reference" in override else [override]
    error = mistake(load_recipe(path, [size, *overrides] if "weight" in override else overrides))
    assert error.where == where
    assert message in error.message
