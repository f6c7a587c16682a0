"""Where a run would run: the folder it writes to, the engines, trackers and packages it needs."""

import os
from collections.abc import Mapping
from pathlib import Path

from grpo.errors import UserError
from grpo.recipe.sampled_stages import ExportStage
from grpo.recipe.schema import Recipe, Stage
from grpo.recipe.trained_stages import RLStage, SFTStage
from grpo.report.trackers import check_trackers
from grpo.rollout.open import choose_engine
from grpo.training.compiler import check_compiler
from grpo.training.torchao_adamw import check_torchao


def check_place(recipe: Recipe, stages: Mapping[str, Stage]) -> None:
    """Raises UserError where the run folder cannot be written, or an engine, tracker or package is not installed."""
    check_run_folder(Path(recipe.run_dir).expanduser())
    check_trackers(recipe.trackers)
    for name, stage in stages.items():
        if isinstance(stage, SFTStage | ExportStage):
            continue
        try:
            choose_engine(stage.rollout)
            if isinstance(stage, RLStage):
                check_torchao(stage)
                if stage.torch_compile:
                    check_compiler("torch_compile")
        except UserError as error:
            raise UserError(error.message, where=f"stages.{name}.{error.where}", advice=error.advice) from error


def check_run_folder(folder: Path) -> None:
    """Raises UserError unless `folder`, or the nearest folder above it that exists, can be written. Makes nothing."""
    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise UserError(f"{place} is not a folder", where="run_dir", advice="Give a run_dir of its own to this run.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to {place}", where="run_dir", advice="Give a run_dir that you can write to.")
