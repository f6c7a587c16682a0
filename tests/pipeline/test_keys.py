"""What a key is made of, on its own."""

from pathlib import Path

from grpo.pipeline.keys import with_effect


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
