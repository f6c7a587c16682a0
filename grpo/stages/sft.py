"""Supervised fine-tuning by TRL's SFTTrainer: the cold start, or the imperfect base of a toy run.

Ours here: which rows, when a checkpoint counts as whole, and where the policy ends up. Everything else is TRL's.
"""

import json
import logging
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo.atomic import write_atomic
from grpo.data.sft import sft_dataset
from grpo.models.pretrained import load_pretrained
from grpo.recipe.schema import SFTStage
from grpo.seeds import derive_seed
from grpo.stages.stage import StageInputs, StageResult
from grpo.training.checkpoints import seal, whole

if TYPE_CHECKING:
    from trl import SFTConfig, SFTTrainer

log = logging.getLogger("grpo")

TIMES = ("runtime", "per_second", "flos")


def run(settings: SFTStage, inputs: StageInputs) -> StageResult:
    """Fine-tune from `inputs.policy_path`; goes on from the newest whole checkpoint where there is one."""
    trainer = build_trainer(settings, inputs)
    trainer.train(resume_from_checkpoint=newest_trainer_checkpoint(Path(trainer.args.output_dir)))
    history = [without_times(entry) for entry in trainer.state.log_history]
    if trainer.is_world_process_zero():
        lines = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in history)
        write_atomic(inputs.folder / "metrics.jsonl", lines.encode())
        save_final(trainer, settings, inputs)
    trainer.accelerator.wait_for_everyone()
    last = {name: value for entry in history for name, value in entry.items() if name in ("loss", "train_loss")}
    return StageResult(str(inputs.final), last, (f"{inputs.name}: {trainer.state.global_step} updates, loss {last}",))


def build_trainer(settings: SFTStage, inputs: StageInputs) -> "SFTTrainer":
    """TRL's trainer on fp32 weights (bf16 autocast where the recipe computes in bf16)."""
    import datasets
    from trl import SFTTrainer

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()

    model, tokenizer = load_pretrained(inputs.model, inputs.policy_path, dtype="float32")
    dataset = sft_dataset(
        settings.data,
        tokenizer,
        base=inputs.base,
        where=inputs.where("data"),
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

    microbatch = settings.microbatch_size or settings.batch_size
    return SFTConfig(
        output_dir=str(inputs.folder / "checkpoints"),
        max_steps=settings.steps or -1,
        num_train_epochs=settings.epochs or 1,
        per_device_train_batch_size=microbatch,
        gradient_accumulation_steps=settings.batch_size // microbatch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler_type,
        warmup_steps=settings.warmup_updates,
        weight_decay=settings.weight_decay,
        adam_beta1=settings.adam_beta1,
        adam_beta2=settings.adam_beta2,
        adam_epsilon=settings.adam_epsilon,
        max_grad_norm=settings.max_grad_norm or 0.0,
        gradient_checkpointing=settings.gradient_checkpointing,
        bf16=inputs.model.dtype == "bfloat16",
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


def newest_trainer_checkpoint(root: Path) -> str | None:
    """The newest checkpoint that is whole. Others are removed: a kill in the middle of writing left them."""
    if not root.exists():
        return None
    numbered = sorted(
        ((int(path.name.rsplit("-", 1)[1]), path) for path in root.glob("checkpoint-*") if path.is_dir()), reverse=True
    )
    for _, folder in numbered:
        if whole(folder):
            log.info("resuming from %s", folder.name)
            return str(folder)
        log.warning("%s is not whole (the run was stopped while writing it): passed over", folder.name)
        shutil.rmtree(folder)
    return None


def save_final(trainer: "SFTTrainer", settings: SFTStage, inputs: StageInputs) -> None:
    """`final/`: a plain from_pretrained folder, adapters merged."""
    unfinished = inputs.final.with_name("final.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    if settings.lora:
        model = model.merge_and_unload()
    model.save_pretrained(unfinished)
    trainer.processing_class.save_pretrained(unfinished)
    shutil.rmtree(inputs.final, ignore_errors=True)
    unfinished.replace(inputs.final)


def without_times(entry: dict[str, Any]) -> dict[str, Any]:
    """Metrics that two runs share byte by byte: no seconds, no rates."""
    return {name: value for name, value in entry.items() if not any(word in name for word in TIMES)}
