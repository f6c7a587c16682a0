"""A whole graph of small stages: what runs, what runs again after a change, gates, templates, and a kill in between."""

import gzip
import json
from pathlib import Path

import pytest

from grpo.errors import GuardError, UserError
from grpo.pipeline.intents import format_intents, intents
from grpo.pipeline.preflight import preflight
from grpo.pipeline.rows import with_rows
from grpo.pipeline.run import run_kind, run_recipe
from grpo.recipe.load import LoadedRecipe, load_recipe
from grpo.recipe.trained_stages import RLStage
from grpo.stages import sampled_rows

RECIPE = """\
model:
  tiny: {layers: 1, hidden_size: 64, heads: 1, kv_heads: 1, intermediate_size: 64, max_position_embeddings: 64}
  dtype: float32
run_dir: RUN
stages:
  warm:
    kind: sft
    data: {source: "task:arithmetic", template: none, options: {level: 1, count: 64, solutions: true}}
    steps: 4
    batch_size: 8
    max_length: 64
  traces:
    kind: sample
    data: {source: "task:arithmetic", template: none, options: {level: 1, count: 12}}
    rewards: [{use: math, params: {extract: last_number}}]
    num_generations: 4
    prompts_per_round: 5
    max_completion_length: 8
    keep:
      - {use: length, min_tokens: 2}
      - {use: repetition, ngram_size: 1, at_most: 0.9}
      - {use: per_prompt, at_most: 2, prefer: shortest}
    rollout: {engine: transformers}
  student:
    kind: sft
    policy: base
    data: {source: "stage:traces", template: none}
    steps: 2
    batch_size: 4
    max_length: 64
  exam:
    kind: evaluate
    benchmarks:
      sums:
        data: {source: "task:arithmetic", split: test, template: none, options: {level: 1, count: 6}}
        rewards: [math]
        num_generations: 2
        max_completion_length: 8
    rollout: {engine: transformers}
  out: {kind: export, policy: student}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graph")
    (folder / "r.yaml").write_text(RECIPE.replace("RUN", str(folder / "run")))
    run_recipe(load(folder))
    return folder


def load(folder: Path, *overrides: str) -> LoadedRecipe:
    return load_recipe(str(folder / "r.yaml"), overrides)


def actions(loaded: LoadedRecipe, begin: str | None = None) -> dict[str, str]:
    return {intent.name: intent.action for intent in intents(loaded, begin)}


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "traces" / "data.jsonl").read_text().splitlines()]


def test_every_stage_is_done_and_hands_on_what_it_made(place: Path) -> None:
    run, loaded = place / "run", load(place)
    assert set(actions(loaded).values()) == {"skip"}
    results = run_recipe(loaded)
    rows = rows_of(run)
    rejected = [
        json.loads(x) for x in gzip.decompress((run / "traces" / "rejected.jsonl.gz").read_bytes()).splitlines()
    ]
    assert len(rows) + len(rejected) == 12 * 4
    assert results["traces"].metrics["kept"] == len(rows) > 0
    assert {row["filter"] for row in rejected} <= {"length", "repetition", "per_prompt"}
    assert all(row["from"]["stage"] == "traces" and row["prompt"] and row["solution"] for row in rows)
    assert min(row["from"]["tokens"] for row in rows) >= 2
    prompts = [row["from"]["prompt_id"] for row in rows]
    assert max(map(prompts.count, prompts)) <= 2
    assert (run / "student" / "final" / "model.safetensors").exists()
    figures = results["exam"].metrics
    assert {"sums.pass@1", "sums.pass@1_low", "sums.pass@2", "sums.completions/mean_length"} <= figures.keys()


def test_an_export_says_what_it_was_made_from(place: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    final = place / "run" / "out" / "final"
    assert AutoModelForCausalLM.from_pretrained(final).dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained(final)("1+1=").input_ids
    lineage = json.loads((final / "lineage.json").read_text())
    assert [entry["stage"] for entry in lineage] == ["out", "student", "traces", "warm"]
    assert lineage[1]["settings"]["steps"] == 2 and lineage[2]["metrics"]["kept"] > 0
    card = (final / "README.md").read_text()
    assert f"- `student` (sft), from base, rows of traces; key `{lineage[1]['key']}`" in card


def test_a_run_folder_that_was_moved_is_still_done(place: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(place / "run", tmp_path / "elsewhere")
    assert set(actions(load(place, f"run_dir={tmp_path / 'elsewhere'}")).values()) == {"skip"}


@pytest.mark.parametrize(
    ("override", "again"),
    [
        ("stages.traces.keep.2.at_most=1", {"traces", "student", "exam", "out"}),
        ("stages.student.steps=3", {"student", "exam", "out"}),
        ("stages.exam.benchmarks.sums.num_generations=3", {"exam"}),
        ("stages.warm.learning_rate=1e-3", {"warm", "traces", "student", "exam", "out"}),
        ("stages.warm.checkpoints.save_every=7", set()),
        ("stages.traces.reward_workers=1", set()),
        ("stages.traces.rollout.max_num_seqs=7", set()),
        ("stages.traces.rewards.0.params={extract: answer}", {"traces", "student", "exam", "out"}),
        ("stages.exam.benchmarks.sums.data.options.layout=1", {"exam"}),  # the name of a setting, in another place
        ("seed=1", {"warm", "traces", "student", "exam", "out"}),
    ],
)
def test_a_change_runs_again_what_depends_on_it_and_nothing_else(place: Path, override: str, again: set[str]) -> None:
    found = actions(load(place, override))
    assert {name for name, action in found.items() if action == "again"} == again
    assert {name for name, action in found.items() if action == "skip"} == set(found) - again


def test_a_comment_runs_nothing_again(place: Path, tmp_path: Path) -> None:
    text = (place / "r.yaml").read_text()
    (tmp_path / "r.yaml").write_text("# a remark\n" + text.replace("steps: 4", "steps: 4  # few"))
    assert set(actions(load(tmp_path)).values()) == {"skip"}


def test_the_plan_says_what_runs_and_why(place: Path) -> None:
    text = format_intents(intents(load(place, "stages.traces.keep.2.at_most=1")))
    assert "warm     sft       done\n" in text
    assert "traces   sample    runs again (settings.keep.2.at_most: 2 → 1)" in text
    text = format_intents(intents(load(place, "stages.traces.policy=base")))
    assert "runs again (it needs base now; it no longer needs warm)" in text
    assert "student  sft       runs again (traces is made anew) ← traces" in text


def test_what_is_replaced_is_kept_and_filters_sample_nothing_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy(place, tmp_path)
    before = rows_of(folder / "run")
    monkeypatch.setattr("grpo.stages.sample.sampled_groups", None)  # it would be called
    run_recipe(load(folder, "stages.traces.keep.2.at_most=1", "stages.student.steps=1"))
    (kept,) = (folder / "run" / "replaced").glob("traces-*")
    assert [json.loads(line) for line in (kept / "data.jsonl").read_text().splitlines()] == before
    prompts = [row["from"]["prompt_id"] for row in rows_of(folder / "run")]
    assert max(map(prompts.count, prompts)) == 1


def test_filters_that_are_added_or_all_taken_away_sample_nothing_again(place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    for keep in ("[]", "[finished]"):
        changed = load(folder, f"stages.traces.keep={keep}", "stages.student.steps=1")
        (traces,) = (each for each in intents(changed) if each.name == "traces")
        assert (traces.action, traces.keeps_samples) == ("again", True)
        run_recipe(changed)


def copy(place: Path, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(place / "run", tmp_path / "run")
    (tmp_path / "r.yaml").write_text(RECIPE.replace("RUN", str(tmp_path / "run")))
    return tmp_path


def test_sampling_that_was_stopped_ends_with_the_same_rows(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.replace("RUN", str(tmp_path / "run")))
    write = sampled_rows.write_groups

    def dying(file: Path, *rest) -> None:
        if file.name == "round_000002.jsonl.gz":
            raise KeyboardInterrupt
        write(file, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sampled_rows, "write_groups", dying)
        run_recipe(load(tmp_path))
    assert actions(load(tmp_path)) == {
        "warm": "skip",
        "traces": "resume",
        "student": "run",
        "exam": "run",
        "out": "run",
    }
    # half done and changed since: refused, unless it is said to be meant
    changed = load(tmp_path, "stages.traces.num_generations=3")
    assert actions(changed)["traces"] == "refuse"
    assert actions(changed, begin="traces")["traces"] == "again"
    with pytest.raises(
        UserError, match="half done and was started with other settings: settings.num_generations: 4 → 3"
    ):
        run_recipe(changed)
    run_recipe(load(tmp_path))
    for file in ("traces/data.jsonl", "traces/rejected.jsonl.gz", "student/final/model.safetensors"):
        assert (tmp_path / "run" / file).read_bytes() == (place / "run" / file).read_bytes(), file


def test_a_stage_that_failed_before_it_made_anything_is_corrected_without_ado(place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    with pytest.raises(UserError, match="prompt and completion have .* and 5 fit"):
        run_recipe(load(folder, "stages.student.max_length=5"))
    assert actions(load(folder, "stages.student.max_length=60"))["student"] == "again"


def test_no_stage_runs_where_another_is_refused(place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    ledger = folder / "run" / "student" / "stage.json"
    ledger.write_text(ledger.read_text().replace('"status": "done"', '"status": "running"'))
    changed = load(folder, "stages.warm.steps=5", "stages.student.steps=9")
    for check in (preflight, run_recipe):
        with pytest.raises(UserError, match="stage 'student' is half done"):
            check(changed)
    assert not (folder / "run" / "replaced").exists()


def test_a_run_folder_of_an_earlier_version_is_refused_by_name(place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    (folder / "run" / "warm" / "stage.json").write_text('{"status": "done"}')
    with pytest.raises(UserError, match="stage 'warm' was made by an earlier version"):
        intents(load(folder))


def test_nothing_kept_is_told_with_what_was_rejected(place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    with pytest.raises(UserError, match=r"none of 48 completions is kept \(rejected: 48 length\)") as caught:
        run_recipe(load(folder, "stages.traces.keep.0.min_tokens=9"))
    assert caught.value.where == "stages.traces.keep"
    assert actions(load(folder))["traces"] == "again", "filters are corrected without ado"


def test_a_file_that_is_edited_while_earlier_stages_run_stops_the_run(place: Path, tmp_path: Path, monkeypatch) -> None:
    folder = copy(place, tmp_path)
    reward = folder / "mine.py"
    reward.write_text("def f(completions, **columns):\n    return [1.0] * len(completions)\n")
    loaded = load(folder, "stages.warm.steps=5", f"stages.traces.rewards=[{reward}:f]")

    def editing(settings, inputs):
        reward.write_text(reward.read_text() + "# edited\n")
        return run_kind(settings, inputs)

    monkeypatch.setattr("grpo.pipeline.run.run_kind", editing)
    with pytest.raises(UserError, match="what stage traces is made from changed while the run was going on"):
        run_recipe(loaded)


def test_rewritten_rows_and_prompts_that_are_in_an_evaluation_set(place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    held_out = rows_of(folder / "run")[0]["prompt"]
    (folder / "test.jsonl").write_text(json.dumps({"question": held_out}) + "\n")
    against = "{use: decontaminate, ngram: 2, against: [{source: TEST, columns: {prompt: question}}]}"
    against = against.replace("TEST", str(folder / "test.jsonl"))
    loaded = load(folder, f"stages.traces.keep.0={against}", "stages.traces.rewrite='so {{ reply }}'")
    run_recipe(loaded)
    rows = rows_of(folder / "run")
    assert held_out not in [row["prompt"] for row in rows]
    assert all(row["completion"].startswith("so ") for row in rows)
    (folder / "test.jsonl").write_text(json.dumps({"question": "1 + 2 + 3 + 4"}) + "\n")
    assert (
        actions(load(folder, *[f"stages.traces.keep.0={against}", "stages.traces.rewrite='so {{ reply }}'"]))["traces"]
        == "again"
    )


def test_a_gate_stops_before_the_stage_and_can_be_passed_over(place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    gated = ("stages.student.require={traces.kept: '> 1000'}", "stages.student.steps=1")
    with pytest.raises(GuardError, match=r"stage student does not begin: traces.kept > 1000 does not hold: it is \d+"):
        run_recipe(load(folder, *gated))
    assert (folder / "run" / "student" / "final").exists(), "what was made is in place"
    run_recipe(load(folder, *gated), begin="student")
    launch = json.loads((folder / "run" / "student" / "stage.json").read_text())["launches"][-1]
    assert "traces.kept > 1000" in launch["gates_passed_over"]
    with pytest.raises(GuardError, match="there is no such figure.* Figures of traces: .*kept"):
        run_recipe(load(folder, "stages.exam.require={traces.keept: '> 1'}", "stages.student.steps=1", "seed=3",
                        "stages.warm.steps=1"))  # fmt: skip


def test_prompts_that_look_different_from_those_trained_on_are_refused(place: Path) -> None:
    changed = ("stages.traces.data.template='Q {{ prompt }}'", "stages.traces.num_generations=2")
    with pytest.raises(UserError, match="template 'none' there, 'Q {{ prompt }}' here") as caught:
        run_recipe(load(place, *changed))
    assert caught.value.where == "stages.traces.data"
    preflight(load(place, *changed, "stages.traces.template_changes=true"))


def test_rows_that_are_not_made_yet_are_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.replace("RUN", str(tmp_path / "run")))
    report = preflight(load(tmp_path))
    assert "stages.student.data: rows of stage traces, known when it is done" in report.lines
    assert report.sizes["exam"].completions == 12


def test_a_mistake_in_the_filters_is_told_before_anything_is_sampled(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.replace("RUN", str(tmp_path / "run")))
    with pytest.raises(UserError, match=r"stages.traces.keep\[0\]"):
        preflight(load(tmp_path, "stages.traces.keep=[{use: correct, reward: maths}]"))


def test_rows_are_put_in_where_data_stands_and_nowhere_else() -> None:
    stage = RLStage.model_validate(
        {
            "kind": "rl",
            "steps": 1,
            "mixture": {"source": {"data": {"source": "stage:traces"}, "rewards": ["math"]}},
            "rewards": [{"use": "judge.py:J", "params": {"source": "stage:traces"}}],
        }
    )
    filled = with_rows(stage, {"traces": "/run/traces/data.jsonl", "other": "/x"})
    assert isinstance(filled, RLStage)
    assert filled.mixture["source"].data.source == "/run/traces/data.jsonl"
    assert filled.rewards == stage.rewards
    assert with_rows(stage, {}) == stage
