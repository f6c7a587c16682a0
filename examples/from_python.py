"""The same run from Python: rows, a reward function and a model in, a trained policy out.

    python examples/from_python.py

Replace `make_tiny` by the name of a model to train a real one. Calling `train()` again on the same `run_dir` resumes.
"""

from pathlib import Path

from grpo import GRPOConfig, GRPOTrainer
from grpo.models.tiny import make_tiny
from grpo.recipe.fields import TinyModel


def answer_first(completions: list[str], solution: list[str], **columns: object) -> list[float]:
    """1 where the completion starts with the answer; a little for starting with any digit at all."""
    return [
        1.0 if text.startswith(answer) else 0.2 * text[:1].isdigit()
        for text, answer in zip(completions, solution, strict=True)
    ]


def main(run_dir: str = "runs/from_python", engine: str = "auto") -> Path:
    model = Path(run_dir) / "tiny"
    if not model.exists():
        tiny = TinyModel(layers=2, hidden_size=128, heads=2, kv_heads=2, intermediate_size=256)
        make_tiny(tiny, model, seed=0)
    rows = [{"prompt": f"{a}+{b}=", "solution": str(a + b)} for a in range(5) for b in range(5)]
    config = GRPOConfig(
        run_dir=run_dir,
        steps=30,
        prompts_per_step=8,
        num_generations=8,
        max_completion_length=8,
        learning_rate=3e-3,
        dtype="float32",
        rollout={"engine": engine},
    )
    trainer = GRPOTrainer(model=str(model), reward_funcs=[answer_first], train_dataset=rows, config=config)
    return Path(trainer.train().policy_path)


if __name__ == "__main__":
    print(f"The policy is in {main()}: AutoModelForCausalLM.from_pretrained loads it, vLLM serves it.")
