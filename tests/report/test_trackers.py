import importlib.util
from types import SimpleNamespace

import pytest

from grpo.errors import UserError
from grpo.report import trackers
from grpo.report.record import Record
from tests.report.steps import SECONDS


def test_a_missing_package_is_an_error_that_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package `wandb`.*\n.*pip install 'grpo\[wandb\]'"):
        trackers.check_trackers(("wandb",))


def test_nested_settings_become_dotted_scalars():
    settings = {"rollout": {"engine": "vllm", "engine_args": {}}, "stop": ["a", "b"], "delta": None, "steps": 3}
    assert trackers.flat(settings) == {"rollout.engine": "vllm", "stop": "['a', 'b']", "steps": 3}


def test_metrics_and_seconds_reach_the_trackers(tmp_path, monkeypatch):
    seen: list = []
    tracker = SimpleNamespace(log=lambda values, step: seen.append((step, values)), finish=lambda: seen.append("end"))
    monkeypatch.setattr("grpo.report.record.open_trackers", lambda *args, **kwargs: [tracker])
    record = Record(tmp_path, trackers=("tensorboard",), quiet=True)
    record.step(2, {"reward": 0.5, "completion_tokens": 14.0}, SECONDS)
    record.close()
    figures = {"reward": 0.5, "completion_tokens": 14.0, "tokens_per_second": 2.0}
    assert seen == [(2, figures | {f"seconds/{phase}": spent for phase, spent in SECONDS.items()}), "end"]


def test_tensorboard_gets_the_figures(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    record = Record(tmp_path, trackers=("tensorboard",), project="sums", settings={"beta": 0.0}, quiet=True)
    record.step(2, {"reward": 0.5}, {})
    record.close()
    events = EventAccumulator(str(tmp_path / "tensorboard" / "sums")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("reward")] == [(2, 0.5)]
