"""On-policy distillation: the student samples, and the reverse KL to the teacher is all that teaches it."""

import json
from pathlib import Path

import pytest
import torch

from grpo.algorithm.kl import kl_to_reference
from grpo.errors import UserError
from grpo.models.characters import character_tokenizer
from grpo.models.tiny import make_tiny
from grpo.pipeline.preflight import preflight
from grpo.pipeline.run import run_recipe
from grpo.recipe.fields import TinyModel
from grpo.recipe.load import load_recipe
from grpo.report.record import METRICS

RECIPE = """\
model:
  tiny: {layers: 1, hidden_size: 64, heads: 1, kv_heads: 1, intermediate_size: 64, max_position_embeddings: 64}
  dtype: float32
run_dir: RUN
stages:
  teacher:
    kind: sft
    model:
      tiny: {layers: 2, hidden_size: 128, heads: 2, kv_heads: 2, intermediate_size: 64, max_position_embeddings: 64}
      dtype: float32
    data: {source: "task:arithmetic", template: none, options: {level: 1, count: 64, solutions: true}}
    steps: 30
    batch_size: 16
    max_length: 64
    learning_rate: 3.0e-3
  student:
    kind: rl
    policy: base
    reference: stage:teacher
    beta: 1.0
    kl_estimator: k3_unbiased
    data: {source: "task:arithmetic", template: none, options: {level: 1, count: 32}}
    steps: 100
    prompts_per_step: 16
    num_generations: 8
    max_completion_length: 12
    learning_rate: 3.0e-3
    rollout: {engine: transformers}
    checkpoints: {save_every: 100}
"""


def write(folder: Path) -> str:
    (folder / "r.yaml").write_text(RECIPE.replace("RUN", str(folder / "run")))
    return str(folder / "r.yaml")


def test_the_student_comes_nearer_to_a_larger_teacher_without_any_reward(tmp_path: Path) -> None:
    results = run_recipe(load_recipe(write(tmp_path)))
    lines = (tmp_path / "run" / "student" / METRICS).read_text().splitlines()
    kl = [json.loads(line)["kl"] for line in lines]
    assert sum(kl[-10:]) < 0.8 * sum(kl[:10])  # 0.31 to 0.67 over four seeds
    assert "reward" not in json.loads(lines[0])
    config = json.loads((Path(str(results["student"].policy_path)) / "config.json").read_text())
    assert config["hidden_size"] == 64


def test_a_teacher_that_reads_other_tokens_is_refused(tmp_path: Path) -> None:
    shape = TinyModel(layers=1, hidden_size=64, heads=1, kv_heads=1, intermediate_size=64)
    make_tiny(shape, tmp_path / "other", seed=0)
    tokenizer = character_tokenizer()
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(tmp_path / "other")
    loaded = load_recipe(write(tmp_path), ["stages.teacher=null", f"stages.student.reference={tmp_path / 'other'}"])
    for check in (preflight, run_recipe):
        with pytest.raises(UserError, match="has another vocabulary than the policy"):
            check(loaded)


def test_a_teacher_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    loaded = load_recipe(write(tmp_path), ["stages.teacher=null", "stages.student.reference=/no/such/teacher"])
    with pytest.raises(UserError, match="cannot read the configuration and tokenizer of '/no/such/teacher'") as caught:
        preflight(loaded)
    assert caught.value.where == "stages.student.reference" and not (tmp_path / "run").exists()


def test_a_teacher_with_code_of_its_own_needs_leave_for_it_in_the_student_too(tmp_path: Path) -> None:
    leave = "stages.teacher.model.trust_remote_code=true"
    with pytest.raises(UserError, match="brings code of its own") as caught:
        preflight(load_recipe(write(tmp_path), [leave]))
    assert caught.value.where == "stages.student.reference"
    preflight(load_recipe(write(tmp_path), [leave, "model.trust_remote_code=true"]))


def test_its_gradient_is_that_of_the_reverse_kl_of_each_token() -> None:
    """At the policy that sampled, ∇(ρ k3) = (log π - log π_teacher) ∇ log π, whatever the token."""
    policy = torch.tensor([-0.3, -2.0, -5.0], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([-1.0, -0.1, -5.0], dtype=torch.float64)
    ratio = (policy - policy.detach()).exp()
    kl_to_reference(policy, teacher, ratio, "k3_unbiased").sum().backward()
    torch.testing.assert_close(policy.grad, policy.detach() - teacher)
