"""Supervised fine-tuning by TRL's SFTTrainer: the cold start, or the imperfect base of a toy run.

Ours here: which rows, when a checkpoint counts as whole, and where the policy ends up. Everything else is TRL's.
"""

import json
import logging
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState

from grpo.atomic import write_atomic
from grpo.data.sft import sft_dataset
from grpo.errors import UserError
from grpo.models.pretrained import load_pretrained, save_pretrained
from grpo.recipe.trained_stages import SFTStage
from grpo.seeds import derive_seed
from grpo.stages.stage import StageInputs, StageResult
from grpo.training.checkpoints import seal, whole
from grpo.training.host_memory import keep_freed_memory

if TYPE_CHECKING:
    from trl import SFTConfig, SFTTrainer

log = logging.getLogger("grpo")

KEPT = ("step", "epoch", "loss", "grad_norm", "learning_rate", "entropy", "mean_token_accuracy")
"""Figures of an update that a resumed run repeats byte by byte: no times, and no counters that TRL starts over."""


def run(settings: SFTStage, inputs: StageInputs) -> StageResult:
    """Fine-tune from `inputs.policy_path`; goes on from the newest whole checkpoint where there is one."""
    checkpoint = newest_trainer_checkpoint(inputs.folder / "checkpoints")
    if checkpoint is not None and is_last(checkpoint):
        # Transformers would take one more update from a checkpoint of the last one.
        model, tokenizer = load_pretrained(inputs.model, str(checkpoint), dtype="float32")
        log_history, main = read_state(checkpoint)["log_history"], PartialState().is_main_process
    else:
        trainer = build_trainer(settings, inputs)
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        model, tokenizer = trained_model(trainer, settings), trainer.processing_class
        log_history, main = trainer.state.log_history, trainer.is_world_process_zero()
    history = [{name: entry[name] for name in KEPT if name in entry} for entry in log_history if "loss" in entry]
    if main:
        lines = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in history)
        write_atomic(inputs.folder / "metrics.jsonl", lines.encode())
        save_final(model, tokenizer, inputs)
    PartialState().wait_for_everyone()
    last = history[-1] if history else {"step": 0, "loss": float("nan")}
    line = f"{inputs.name}: {last['step']} updates, loss {last['loss']:.3f}"
    return StageResult(str(inputs.final), {"loss": last["loss"]}, (line,))


def read_state(checkpoint: Path) -> dict[str, Any]:
    """What transformers' trainer wrote of itself into a checkpoint."""
    return json.loads((checkpoint / "trainer_state.json").read_text())


def is_last(checkpoint: Path) -> bool:
    state = read_state(checkpoint)
    return state["global_step"] >= state["max_steps"]


def build_trainer(settings: SFTStage, inputs: StageInputs) -> "SFTTrainer":
    """TRL's trainer on fp32 weights (bf16 autocast where the recipe computes in bf16)."""
    import datasets
    from trl import SFTTrainer

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()

    if not torch.accelerator.is_available():
        keep_freed_memory()
    model, tokenizer = load_pretrained(inputs.model, inputs.policy_path, dtype="float32")
    dataset = sft_dataset(
        {inputs.where(key): data for key, data in settings.parts.items()},
        tokenizer,
        base=inputs.base,
        seed=inputs.seed,
        max_length=settings.max_length,
    )
    trainer = SFTTrainer(
        model=model,
        args=trainer_settings(settings, inputs, rows=len(dataset)),
        train_dataset=dataset,
        processing_class=tokenizer,
        peft_config=settings.lora and peft_settings(settings),
        callbacks=[sealing_callback()],
    )
    return trainer


def trainer_settings(settings: SFTStage, inputs: StageInputs, rows: int) -> "SFTConfig":
    from trl import SFTConfig

    processes = PartialState().num_processes
    if settings.batch_size % processes:
        raise UserError(
            f"batch_size {settings.batch_size} is not a multiple of {processes} processes",
            where=inputs.where("batch_size"),
        )
    own = settings.batch_size // processes  # sequences of an update that this process takes
    microbatch = min(settings.microbatch_size or own, own)
    if own % microbatch:
        raise UserError(
            f"microbatch_size {microbatch} does not divide the {own} sequences of each of {processes} processes",
            where=inputs.where("microbatch_size"),
        )
    return SFTConfig(
        output_dir=str(inputs.folder / "checkpoints"),
        max_steps=settings.steps or -1,
        num_train_epochs=settings.epochs or 1,
        per_device_train_batch_size=microbatch,
        gradient_accumulation_steps=own // microbatch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine_with_min_lr" if settings.lr_floor else settings.lr_scheduler_type,
        lr_scheduler_kwargs={"min_lr_rate": settings.lr_floor} if settings.lr_floor else None,
        warmup_steps=settings.warmup_updates,
        weight_decay=settings.weight_decay,
        adam_beta1=settings.adam_beta1,
        adam_beta2=settings.adam_beta2,
        adam_epsilon=settings.adam_epsilon,
        max_grad_norm=settings.max_grad_norm or 0.0,
        gradient_checkpointing=settings.gradient_checkpointing,
        bf16=inputs.model.dtype == "bfloat16",
        use_cpu=not torch.accelerator.is_available(),
        max_length=settings.max_length,
        packing=settings.packing,
        completion_only_loss=settings.completion_only,
        save_strategy="steps",
        save_steps=settings.checkpoints.save_every,
        save_total_limit=settings.checkpoints.keep_last,
        logging_steps=max(1, min(20, (settings.steps or rows // settings.batch_size or 1) // 5)),
        seed=derive_seed(inputs.seed, inputs.name) % 2**31,
        report_to=list(inputs.trackers) or "none",
        dataloader_pin_memory=False,
        disable_tqdm=True,
    )


def peft_settings(settings: SFTStage) -> Any:
    from grpo.models.policy import lora_config

    assert settings.lora is not None
    return lora_config(settings.lora)


def sealing_callback() -> Any:
    """Transformers writes a checkpoint file by file; ours counts it only once a manifest of checksums lies in it."""
    from transformers import TrainerCallback

    class Seal(TrainerCallback):
        def on_save(self, args, state, control, **kwargs):
            if state.is_world_process_zero:
                seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    return Seal()


def newest_trainer_checkpoint(root: Path) -> Path | None:
    """The newest checkpoint that is whole. Others are removed: a kill in the middle of writing left them."""
    if not root.exists():
        return None
    numbered = sorted(
        ((int(path.name.rsplit("-", 1)[1]), path) for path in root.glob("checkpoint-*") if path.is_dir()), reverse=True
    )
    for _, folder in numbered:
        if whole(folder):
            log.info("resuming from %s", folder.name)
            return folder
        log.warning("%s is not whole (the run was stopped while writing it): passed over", folder.name)
        shutil.rmtree(folder)
    return None


def trained_model(trainer: "SFTTrainer", settings: SFTStage) -> Any:
    """The trainer's model, adapters merged."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    return model.merge_and_unload() if settings.lora else model


def save_final(model: Any, tokenizer: Any, inputs: StageInputs) -> None:
    """`final/`: a plain from_pretrained folder, whole or not at all."""
    save_pretrained(model, tokenizer, inputs.final)
