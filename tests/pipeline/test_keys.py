"""What a key is made of, on its own."""

from pathlib import Path

from grpo.pipeline.keys import stage_keys, with_effect
from grpo.recipe.graph import order
from grpo.recipe.load import load_recipe


def test_names_of_settings_count_elsewhere() -> None:
    settings = {
        "layout": "auto",
        "rollout": {"sleep": True, "engine": "vllm"},
        "rewards": [{"use": "math", "params": {"policy": "strict", "sleep": 1}}],
        "benchmarks": {"layout": {"temperature": 1.0}},
    }
    assert with_effect(settings, Path()) == {
        "rollout": {"engine": "vllm"},
        "rewards": [{"use": "math", "params": {"policy": "strict", "sleep": 1}}],
        "benchmarks": {"layout": {"temperature": 1.0}},
    }


def test_files_and_folders_count_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "rewards.py").write_text("def f(): ...")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.jsonl").write_text("{}")
    settings = {
        "rewards": [{"use": "rewards.py:f", "params": {"correct": "rewards.py:f"}}],
        "data": {"source": "rows/"},
    }
    before = with_effect(settings, tmp_path)
    assert before["rewards"][0]["use"].startswith("rewards.py#") and before["rewards"][0]["use"].endswith(":f")
    (tmp_path / "rewards.py").write_text("def f(): return 1")
    (tmp_path / "rows" / "a.jsonl").write_text("{} ")
    after = with_effect(settings, tmp_path)
    assert after["rewards"][0]["use"] != before["rewards"][0]["use"]
    assert after["rewards"][0]["params"]["correct"] != before["rewards"][0]["params"]["correct"]
    assert after["data"]["source"] != before["data"]["source"]


def test_texts_that_are_no_files_stay(tmp_path: Path) -> None:
    long = "Question: {{ prompt }} " + "x" * 400
    settings = {"data": {"template": long, "source": "openai/gsm8k"}, "rewards": [{"use": "package.module:function"}]}
    assert with_effect(settings, tmp_path) == settings
    assert with_effect({"system": "y" * 5000}, tmp_path) == {"system": "y" * 5000}


def test_settings_that_are_not_set_are_left_out_but_for_those_of_others() -> None:
    """A later version knows more of ours; what null means to a reward or a task is for them to say."""
    settings = {
        "keep": [],
        "lora": None,
        "mixture": {},
        "rewards": [{"use": "math", "name": None, "params": {"extract": None, "deep": {"a": []}}}],
        "data": {"source": "x", "rows": None, "options": {"level": None}},
    }
    assert with_effect(settings, Path()) == {
        "rewards": [{"use": "math", "params": {"extract": None, "deep": {"a": []}}}],
        "data": {"source": "x", "options": {"level": None}},
    }


PINNED = """\
model: {tiny: {layers: 1, hidden_size: 32, heads: 2, kv_heads: 2, intermediate_size: 32}, dtype: float32}
run_dir: run
stages:
  warm: {kind: sft, policy: base, data: {source: "task:arithmetic", options: {solutions: true}}, steps: 4}
  traces: {kind: sample, policy: warm, data: {source: "task:arithmetic"}, rewards: [math], keep: [correct]}
  zero:
    kind: rl
    policy: warm
    mixture:
      sums: {data: {source: "task:arithmetic"}, rewards: [{use: math, weight: 2}]}
      letters: {data: {source: "task:comparison"}, rewards: [choice]}
    steps: 2
    changes: [{at_update: 1, temperature: 0.7}]
  exam: {kind: evaluate, policy: zero, benchmarks: {sums: {data: {source: "task:arithmetic"}, rewards: [math]}}}
"""


def keys_of(folder: Path, text: str = PINNED) -> dict[str, str]:
    (folder / "r.yaml").write_text(text)
    recipe = load_recipe(str(folder / "r.yaml")).recipe
    return {name: key.digest for name, key in stage_keys(recipe, folder, order(recipe.stages)).items()}


def test_keys_are_those_of_earlier_versions(tmp_path: Path) -> None:
    """A setting that is new and not set leaves them alone. Where a change to them is meant, it runs everybody's stages
    again, and belongs into the notes of a release."""
    assert keys_of(tmp_path) == {
        "warm": "40b3e9465c8938e9",
        "traces": "5af97874b9ae5499",
        "zero": "f0b7d986ba8f51c6",
        "exam": "0a735b0d446af6fd",
    }


def test_the_order_of_a_mixture_counts_since_draws_follow_it(tmp_path: Path) -> None:
    lines = PINNED.splitlines(keepends=True)
    sums, letters = (
        next(i for i, line in enumerate(lines) if f"      {name}:" in line) for name in ("sums", "letters")
    )
    lines[sums], lines[letters] = lines[letters], lines[sums]
    before, after = keys_of(tmp_path), keys_of(tmp_path, "".join(lines))
    assert {name for name in before if before[name] != after[name]} == {"zero", "exam"}


def test_a_large_file_of_a_model_is_looked_into_and_not_read_whole(tmp_path: Path) -> None:
    model = tmp_path / "judge"
    model.mkdir()
    (model / "config.json").write_text("{}")
    with (model / "model.safetensors").open("wb") as file:
        file.truncate(200 * 2**20)
    settings = {"rewards": [{"use": "reward_model", "params": {"path": "./judge"}}]}
    before = with_effect(settings, tmp_path)
    assert before["rewards"][0]["params"]["path"].startswith("judge#")
    with (model / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert with_effect(settings, tmp_path) != before
