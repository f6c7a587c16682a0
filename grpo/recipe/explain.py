"""pydantic's errors, said the way a person who wrote the recipe can use."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from grpo.errors import UserError
from grpo.recipe.lookup import STAGE_KINDS, inner_keys, model_at
from grpo.recipe.places import location
from grpo.recipe.schema import Recipe
from grpo.recipe.trained_stages import RLStage
from grpo.recipe.tree import Tree
from grpo.recipe.yaml_text import KeyPath

# Names that people bring from TRL, whose meaning here is different or lives elsewhere.
FROM_TRL = {
    "output_dir": "`run_dir` of the recipe",
    "model_name_or_path": "`model` of the recipe",
    "reward_funcs": "`rewards`",
    "reward_weights": "`weight` of each entry of `rewards`",
    "max_steps": "`steps`",
    "num_train_epochs": "`epochs`",
    "warmup_steps": "`warmup_updates`",
    "lr": "`learning_rate`",
    "per_device_train_batch_size": "`prompts_per_step` (prompts a step) and `tokens_per_microbatch` (memory)",
    "gradient_accumulation_steps": "`prompts_per_step` and `updates_per_step`",
    "steps_per_generation": "`updates_per_step`",
    "num_iterations": "`updates_per_step`",
    "generation_batch_size": "`prompts_per_step`",
    "max_prompt_length": "`data.too_long` (what fits is the model's context less max_completion_length)",
    "use_vllm": "`rollout.engine: vllm`",
    "vllm_mode": "`rollout.placement`",
    "vllm_gpu_memory_utilization": "`rollout.gpu_memory_utilization`",
    "use_peft": "`lora`",
    "save_steps": "`checkpoints.save_every`",
    "eval_steps": "`evaluate.every`",
    "report_to": "`trackers` of the recipe",
    "bf16": "`model.dtype`",
}
# A pattern is for machines; these say it.
SHAPES = {"rows": "`start:stop`, such as `0:700`"}


def explain(error: ValidationError, tree: Tree, file: str) -> UserError:
    """One UserError for all that is wrong, each with its key's full path and place."""
    found: dict[KeyPath, tuple[str, str]] = {}
    for detail in error.errors():
        path = key_path(detail["loc"], tree.value, str(detail["type"]))
        message = _message(detail, path, tree.value)
        if detail["type"] == "value_error":
            path, message = _named_inside(path, message, tree.value)
        where = location(tree, path) if path else file
        if path in found and "; must be " in message:  # the alternatives of a union, one error each
            message = f"{found[path][1]} or {message.partition('; must be ')[2]}"
        found[path] = (where, message)
    problems = list(found.values())
    if len(problems) == 1:
        where, message = problems[0]
        return UserError(message, where=where)
    lines = "\n".join(f"  {where}: {message}" for where, message in problems)
    return UserError(f"{len(problems)} mistakes\n{lines}", where=file)


def _named_inside(path: KeyPath, message: str, root: dict[str, Any]) -> tuple[KeyPath, str]:
    """A check over a whole mapping may name the key that it is about: `rewards: …`, `stages.zero.policy: …`."""
    name, colon, rest = message.partition(": ")
    parts = tuple(int(part) if part.isdecimal() else part for part in name.split("."))
    model = model_at(path, root)
    if colon and model is not None and parts[0] in model.model_fields:
        return (*path, *parts), rest
    return path, message


def key_path(loc: tuple[int | str, ...], value: Any, kind: str) -> KeyPath:
    """pydantic's location without what is not a key: tags of unions, names of alternatives."""
    path: list[int | str] = []
    for i, part in enumerate(loc):
        if isinstance(value, dict) and part in value:
            path.append(part)
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            path.append(part)
            value = value[part]
        elif kind == "missing" and i == len(loc) - 1:
            path.append(part)
    return tuple(path)


def _message(detail: Any, path: KeyPath, root: dict[str, Any]) -> str:
    kind, given, context = str(detail["type"]), detail["input"], detail.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return _unknown_key(path, root)
        case "missing":
            return "required, and not given"
        case "union_tag_not_found":
            return f"no `kind` given; must be {_either(STAGE_KINDS)}"
        case "union_tag_invalid":
            return f"kind {context['tag']!r} given; must be {_either(STAGE_KINDS)}"
        case "literal_error":
            return f"{_shown(given)} given; must be {context['expected']}{_nearest_value(given, context['expected'])}"
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            return f"{_shown(given)} given; must be {SHAPES.get(str(path[-1]), context['pattern'])}"
        case "too_short":
            return f"must hold at least {context['min_length']}"
        case _:
            return f"{_shown(given)} given; must be {_allowed(kind, context) or detail['msg']}"


def _allowed(kind: str, context: Mapping[str, Any]) -> str | None:
    bounds = {"greater_than": (">", "gt"), "greater_than_equal": ("≥", "ge"), "less_than": ("<", "lt")}
    bounds["less_than_equal"] = ("≤", "le")
    if kind in bounds:
        sign, key = bounds[kind]
        return f"{sign} {context[key]:g}"
    if kind.startswith("int_"):
        return "a whole number"
    if kind.startswith("float_"):
        return "a number"
    if kind == "finite_number":
        return "a finite number"
    if kind.startswith("bool_"):
        return "true or false"
    if kind.startswith("string_"):
        return "text"
    if kind.startswith(("model_", "dict_", "mapping_")):
        return "a mapping of keys to values"
    if kind.startswith(("tuple_", "list_")):
        return "a list"
    return None


def _unknown_key(path: KeyPath, root: dict[str, Any]) -> str:
    name = str(path[-1])
    if name in FROM_TRL:
        return f"unknown key; here it is {FROM_TRL[name]}"
    model = model_at(path[:-1], root)
    if model is None:
        return "unknown key"
    if name in RLStage.model_fields and model is Recipe:
        return f"unknown key; it belongs into a stage: `stages.NAME.{name}`"
    if name in Recipe.model_fields and model is not Recipe:
        return "unknown key; it belongs to the recipe itself, at its top level"
    near = get_close_matches(name, list(model.model_fields), n=1, cutoff=0.6)
    if near:
        return f"unknown key; did you mean `{near[0]}`?"
    inner = inner_keys(model)
    near = get_close_matches(name, list(inner), n=1, cutoff=0.8)
    if near:
        return f"unknown key; did you mean `{inner[near[0]]}`?"
    return f"unknown key; known: {', '.join(model.model_fields)}"


def _nearest_value(given: Any, expected: str) -> str:
    words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    near = get_close_matches(str(given), words, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _either(names: Mapping[str, Any]) -> str:
    return " or ".join(repr(name) for name in names)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
