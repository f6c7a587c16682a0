"""Memory and time of a stage, estimated from the model's sizes: the order of magnitude, before anything is loaded.

The memory probe before the first step, and the seconds of the first steps, are the measurement.
"""

from collections.abc import Mapping

from grpo.recipe.graph import model_of
from grpo.recipe.machine import Speeds
from grpo.recipe.other_models import REFERENCE, OtherModel, width
from grpo.recipe.plan import DataSizes, RLPlan, SampledPlan, SFTPlan, engine_choice, longest_completion, plan_stage
from grpo.recipe.sampled_stages import ExportStage, Sampled
from grpo.recipe.schema import Recipe
from grpo.recipe.shape import ModelShape
from grpo.recipe.trained_stages import RLStage, SFTStage

FP32 = 4
BLOCK = 256  # 8-bit moments that share an fp32 scale
LOGITS_CHUNK = 256 * 2**20
ENGINE = ("engine weights", "KV cache")


def memory(
    recipe: Recipe,
    name: str,
    shape: ModelShape,
    longest_prompt: int | None = None,
    others: Mapping[str, OtherModel | None] | None = None,
    share_of_card: bool = False,
) -> dict[str, float]:
    """Bytes a process of this stage needs, by what they are for.

    Weights in compute precision; fp32 masters with their gradient and Adam's two moments (16 bytes each; `learning`);
    activations of one micro-batch; and for `rl` the engine's weights and KV cache, and the reference where beta > 0.
    others: other models that the stage holds (`other_models`). share_of_card: the engine takes its share of a GPU,
    whatever its model, and is left out here.
    """
    parts = _own_memory(recipe, name, shape, longest_prompt)
    parts |= {what: other.parameters * other.width for what, other in (others or {}).items() if other is not None}
    return {what: amount for what, amount in parts.items() if not (share_of_card and what in ENGINE)}


def _own_memory(recipe: Recipe, name: str, shape: ModelShape, longest_prompt: int | None) -> dict[str, float]:
    stage = recipe.stages[name]
    compute = width(model_of(recipe.stages, name, recipe.model).dtype)
    if isinstance(stage, ExportStage):
        return {"weights": shape.parameters * FP32}
    if not isinstance(stage, SFTStage | RLStage):
        cache = kv_cache(stage, shape, longest_prompt or 0, compute)
        return {"engine weights": shape.parameters * compute, "KV cache": cache}
    trained = lora_parameters(stage, shape) if stage.lora else shape.parameters
    if isinstance(stage, SFTStage):  # fp32 weights are their own masters there
        rows = stage.microbatch_size or stage.batch_size
        parts: dict[str, float] = {"weights": shape.parameters * FP32, "gradients and Adam": trained * 3 * FP32}
        return parts | {"activations": activations(stage, shape, rows * stage.max_length, compute)}
    parts = {
        "weights": shape.parameters * compute,
        "masters, gradients, Adam": trained * learning(stage, compute),
        "activations": activations(stage, shape, microbatch_tokens(stage, longest_prompt), compute),
        "engine weights": shape.parameters * compute,
        "KV cache": kv_cache(stage, shape, longest_prompt or 0, compute),
    }
    if stage.beta > 0 and stage.reference is None and (not stage.lora or stage.refresh_reference_every):
        parts[REFERENCE] = shape.parameters * compute
    return parts


def learning(stage: RLStage, compute: int) -> float:
    """Bytes of a trained parameter beside the weights that are forwarded: its master, where those do not learn
    themselves (adapters are masters), its gradient, and two moments."""
    master = 0 if stage.stochastic_rounding or (compute == FP32 and not stage.lora) else FP32
    moment = 1 + FP32 / BLOCK if stage.optim == "adamw_torch_8bit" else FP32
    return master + FP32 + 2 * moment


def microbatch_tokens(stage: RLStage, longest_prompt: int | None) -> int:
    """Tokens of the largest micro-batch: the budget, or one longest sample where that is more; at most an update."""
    longest = (longest_prompt or 0) + stage.longest_completion_length
    update = stage.prompts_per_step * stage.trained_generations // stage.updates_per_step * longest
    return min(update, max(stage.tokens_per_microbatch, longest))


def activations(stage: RLStage | SFTStage, shape: ModelShape, tokens: int, compute: int) -> float:
    """What the backward pass needs: per token and layer about 16 hidden and 4 intermediate vectors; with checkpointing
    one hidden vector, and a single layer at a time; and the logits of a chunk in fp32, three times over."""
    layer = compute * (16 * shape.hidden_size + 4 * shape.intermediate_size)
    kept = compute * shape.hidden_size * shape.layers + layer if stage.gradient_checkpointing else layer * shape.layers
    logits = tokens * shape.vocabulary * FP32
    return tokens * kept + 3 * (min(logits, LOGITS_CHUNK) if isinstance(stage, RLStage) else logits)


def kv_cache(stage: RLStage | Sampled, shape: ModelShape, longest_prompt: int, compute: int) -> float:
    """vLLM takes its whole share at once; the transformers engine grows to what the sequences at hand need."""
    if engine_choice(stage.rollout)[0] == "vllm":
        return stage.rollout.kv_cache_gib * 2**30
    at_once = stage.prompts_per_step * stage.num_generations if isinstance(stage, RLStage) else 2**31
    tokens = min(stage.rollout.max_num_seqs, at_once) * (longest_prompt + longest_completion(stage))
    return tokens * shape.layers * shape.key_value_size * compute


def lora_parameters(stage: RLStage | SFTStage, shape: ModelShape) -> int:
    """Parameters of adapters on every linear layer: r × (in + out) each."""
    r = stage.lora.r if stage.lora else 0
    attention = 2 * (2 * shape.hidden_size) + 2 * shape.hidden_size + shape.key_value_size
    return shape.layers * r * (attention + 3 * (shape.hidden_size + shape.intermediate_size))


def seconds(
    recipe: Recipe,
    name: str,
    shape: ModelShape,
    sizes: DataSizes | None,
    speeds: Speeds,
    others: Mapping[str, OtherModel | None] | None = None,
) -> float | None:
    """Seconds of a whole stage with every completion at its longest; None where its number of steps is not known yet.

    6 operations a parameter and trained token, 2 a sampled one, and 2 for each model that only reads it. others: see
    `memory`.
    """
    stage, plan = recipe.stages[name], plan_stage(recipe, name, sizes)
    if isinstance(stage, SFTStage) and isinstance(plan, SFTPlan):
        return (
            None
            if plan.sequences is None
            else 6 * shape.parameters * plan.sequences * stage.max_length / speeds.training
        )
    tokens_a_second = min(speeds.most_tokens, speeds.sampling / (2 * shape.parameters))
    read = sum(other.parameters for other in (others or {}).values() if other is not None)
    prompt = (sizes.longest_prompt if sizes else None) or 0
    if isinstance(stage, Sampled) and isinstance(plan, SampledPlan) and plan.completions is not None:
        length = longest_completion(stage)
        judged = 2 * read * (prompt + length) / speeds.training
        return plan.completions * (length / tokens_a_second + judged)
    if not isinstance(stage, RLStage) or not isinstance(plan, RLPlan) or plan.completions is None:
        return None
    scored = stage.updates_per_step > 1 and stage.mismatch.mode != "as_old"
    own_reference = stage.beta > 0 and stage.reference is None
    operations = (6 + 2 * scored + 2 * own_reference) * shape.parameters + 2 * read
    trained = plan.completions * (prompt + stage.max_completion_length)
    sampled = plan.completions * stage.max_completion_length
    if stage.evaluate and plan.evaluations and sizes and sizes.held_out:
        each = stage.evaluate.num_generations + stage.evaluate.greedy
        length = stage.evaluate.max_completion_length or stage.max_completion_length
        sampled += plan.evaluations * sizes.held_out * each * length
    return operations * trained / speeds.training + sampled / tokens_a_second
