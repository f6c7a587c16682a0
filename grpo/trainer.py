"""The same run from Python.

    from grpo import GRPOConfig, GRPOTrainer

    trainer = GRPOTrainer(model="Qwen/Qwen2.5-0.5B-Instruct", reward_funcs=[my_reward], train_dataset=rows,
                          config=GRPOConfig(run_dir="runs/mine", steps=100, num_generations=8))
    result = trainer.train()          # result.policy_path is a from_pretrained folder

Arguments that TRL's users type (`args=`, `peft_config=`, `processing_class=`) are understood. Everything a recipe
promises holds here too: the same call on the same run folder resumes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from grpo.errors import UserError
from grpo.pipeline.preflight import preflight
from grpo.pipeline.run import run_recipe
from grpo.recipe.fields import Checkpoints, Data, Evaluate, Lora, Model, Reward
from grpo.recipe.load import LoadedRecipe
from grpo.recipe.rl_settings import RLSettings
from grpo.recipe.schema import Recipe
from grpo.stages.stage import Given, StageResult

STAGE = "rl"
ROWS = "python:train_dataset"
EVALUATION_ROWS = "python:eval_dataset"


class GRPOConfig(RLSettings):
    """Settings of one GRPO stage (see `RLSettings`) and of its run.

    template: how a row's `prompt` becomes text; null takes `none` for text and `chat` for messages (TRL's habit).
    reward_weights: one weight a reward function, in their order; null weighs each 1.
    evaluate: sampling and interval of the evaluation on `eval_dataset` (its `data` is given by the trainer).
    """

    run_dir: str = "runs/grpo"
    seed: int = 0
    dtype: str = "bfloat16"
    template: str | None = None
    chat_template_kwargs: dict[str, Any] = {}
    reward_weights: tuple[float, ...] | None = None
    reward_seconds: float = Field(default=5.0, gt=0)
    evaluate: dict[str, Any] = {}
    checkpoints: Checkpoints = Checkpoints()
    trackers: tuple[str, ...] = ()
    project: str = "grpo"


class GRPOTrainer:
    """Trains `model` on `train_dataset` with `reward_funcs`.

    model: folder, hub name, or a loaded transformers model. reward_funcs: callables in TRL's convention, our rewards,
    or names (`math`, `format`, `package.module:function`). train_dataset, eval_dataset: anything that iterates over
    rows (mappings) with a `prompt` (text or messages).
    """

    def __init__(
        self,
        model: Any,
        reward_funcs: Callable | str | Sequence[Callable | str],
        train_dataset: Iterable[Mapping[str, Any]],
        config: GRPOConfig | None = None,
        *,
        args: GRPOConfig | None = None,
        eval_dataset: Iterable[Mapping[str, Any]] | None = None,
        peft_config: Any = None,
        processing_class: Any = None,
    ) -> None:
        self.config = one_config(config, args)
        functions = (
            reward_funcs if isinstance(reward_funcs, Sequence) and not isinstance(reward_funcs, str) else [reward_funcs]
        )
        rewards, named = name_rewards(functions, self.config)
        self.given = Given(rows=train_dataset, evaluation_rows=eval_dataset, functions=named)
        self.recipe = self._recipe(place_of(model, processing_class, self.config), rewards, peft_config)

    def train(self) -> StageResult:
        """Run to the end, or on from the newest checkpoint of `config.run_dir`."""
        resolved = self.recipe.model_dump(mode="json")
        loaded = LoadedRecipe(recipe=self.recipe, path=Path("<python>"), base=Path.cwd(), resolved=resolved)
        preflight(loaded, given=self.given)
        return run_recipe(loaded, given=self.given)[STAGE]

    def _recipe(self, model_path: str, rewards: list[Reward], peft_config: Any) -> Recipe:
        config = self.config
        settings = {name: getattr(config, name) for name in RLSettings.model_fields}
        stage: dict[str, Any] = settings | {
            "kind": "rl",
            "data": self._data(ROWS, self.given.rows or []),
            "rewards": rewards,
            "lora": lora_of(peft_config),
            "checkpoints": config.checkpoints,
        }
        if self.given.evaluation_rows is not None:
            data = self._data(EVALUATION_ROWS, self.given.evaluation_rows)
            stage["evaluate"] = Evaluate.model_validate({"data": data, "rewards": rewards} | config.evaluate)
        return Recipe(
            model=Model(path=model_path, dtype=config.dtype),  # type: ignore[arg-type]
            run_dir=config.run_dir,
            seed=config.seed,
            stages={STAGE: stage},  # type: ignore[dict-item]
            trackers=config.trackers,
            project=config.project,
        )

    def _data(self, source: str, rows: Iterable[Mapping[str, Any]]) -> Data:
        template = self.config.template
        if template is None:
            first = next(iter(rows), None)
            if first is None or "prompt" not in first:
                raise UserError(
                    f"{source} has no rows with a `prompt`", advice="Each row needs a prompt (text or messages)."
                )
            template = "none" if isinstance(first["prompt"], str) else "chat"
        return Data(source=source, template=template, chat_template_kwargs=self.config.chat_template_kwargs)


def one_config(config: GRPOConfig | None, args: GRPOConfig | None) -> GRPOConfig:
    """`config=` and TRL's `args=` are the same argument."""
    if config is not None and args is not None:
        raise UserError("give either `config=` or `args=`, they are the same argument")
    chosen = config or args or GRPOConfig(epochs=1)
    if not isinstance(chosen, GRPOConfig):
        raise UserError(
            f"the config is a {type(chosen).__module__}.{type(chosen).__name__}",
            advice="Use grpo.GRPOConfig: `from grpo import GRPOConfig`. Most of TRL's parameter names are the same.",
        )
    return chosen


def name_rewards(functions: Sequence[Callable | str], config: GRPOConfig) -> tuple[list[Reward], dict[str, Callable]]:
    """Rewards as a recipe states them, and the callables by their label."""
    weights = config.reward_weights or (1.0,) * len(functions)
    if len(weights) != len(functions):
        raise UserError(f"{len(functions)} reward functions but {len(weights)} reward_weights")
    rewards, named = [], {}
    for function, weight in zip(functions, weights, strict=True):
        if isinstance(function, str):
            rewards.append(Reward(use=function, weight=weight, seconds=config.reward_seconds))
            continue
        label = str(getattr(function, "name", None) or getattr(function, "__name__", type(function).__name__))
        rewards.append(Reward(use=label, name=label, weight=weight, seconds=config.reward_seconds))
        named[label] = function
    return rewards, named


def place_of(model: Any, processing_class: Any, config: GRPOConfig) -> str:
    """A place to load the model from; a model in memory is saved once beside the run."""
    if isinstance(model, str | Path):
        return str(model)
    if processing_class is None:
        raise UserError("a model in memory needs its tokenizer", advice="Pass processing_class=tokenizer.")
    folder = Path(config.run_dir).expanduser().resolve() / "base"
    if not (folder / "config.json").exists():
        model.save_pretrained(folder)
        processing_class.save_pretrained(folder)
    return str(folder)


def lora_of(peft_config: Any) -> Lora | None:
    """Our settings from peft's LoraConfig. What we do not carry over is refused, not ignored."""
    if peft_config is None or isinstance(peft_config, Lora):
        return peft_config
    if type(peft_config).__name__ != "LoraConfig" or peft_config.lora_dropout:
        raise UserError(
            f"peft_config is a {type(peft_config).__name__}, dropout {getattr(peft_config, 'lora_dropout', None)}",
            advice="Use a LoraConfig with lora_dropout=0: sampling has no dropout, so training must have none either.",
        )
    targets = peft_config.target_modules
    targets = targets if isinstance(targets, str) or targets is None else tuple(sorted(targets))
    return Lora(r=peft_config.r, alpha=peft_config.lora_alpha, target_modules=targets or "all-linear")


__all__ = ["GRPOConfig", "GRPOTrainer"]
