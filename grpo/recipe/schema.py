"""What a recipe is: a model, a run folder, and stages, each of which runs after those it needs.

model: HuggingFaceTB/SmolLM2-135M-Instruct
run_dir: runs/first
stages:
  zero:
    kind: rl
    data: {source: openai/gsm8k, name: main, columns: {prompt: question, solution: answer}}
    rewards: [math, {use: format, weight: 0.2}]
    steps: 100
"""

import re
from typing import Annotated

from pydantic import Field, model_validator

from grpo.recipe.fields import Model, Strict
from grpo.recipe.graph import RESERVED, check, model_of
from grpo.recipe.sampled_stages import EvaluateStage, ExportStage, SampleStage
from grpo.recipe.trained_stages import RLStage, SFTStage

Stage = SFTStage | RLStage | SampleStage | EvaluateStage | ExportStage


class Recipe(Strict):
    """A run. seed: everything random is a function of it and of the place (stage, step, prompt, sample).

    trackers: names that accelerate knows (`tensorboard`, `wandb`, `trackio`); metrics.jsonl is always written.
    """

    model: Model
    run_dir: str
    seed: int = Field(default=0, ge=0)
    stages: Annotated[dict[str, Annotated[Stage, Field(discriminator="kind")]], Field(min_length=1)]
    trackers: tuple[str, ...] = ()
    project: str = "grpo"

    @model_validator(mode="after")
    def _stages_fit_together(self) -> "Recipe":
        for name in self.stages:
            if name in RESERVED or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
                taken = " or ".join(f"`{word}`" for word in RESERVED)
                raise ValueError(f"stages.{name}: a stage is named with letters, digits, `_` and `-`, and not {taken}")
        check(self.stages)
        for name, stage in self.stages.items():
            dtype = model_of(self.stages, name, self.model).dtype
            if isinstance(stage, RLStage) and stage.stochastic_rounding and dtype == "float32":
                raise ValueError(f"stages.{name}.stochastic_rounding: weights in float32 are not rounded (model.dtype)")
        return self
