"""Where a run starts: a folder, a hub name, or a tiny model made on the spot."""

from pathlib import Path

from grpo.pipeline.lock import is_main_process
from grpo.recipe.fields import Model


def base_policy(model: Model, folder: Path, base: Path, seed: int) -> str:
    """The `from_pretrained` place of a model; a tiny one is made in `folder`. A local path counts from the recipe's
    folder, `base`, then from the working folder; what exists in neither is a hub name."""
    if model.tiny is None:
        return local_or_hub(str(model.path), base)
    from accelerate import PartialState

    from grpo.models.tiny import make_tiny

    if is_main_process() and not (folder / "config.json").exists():
        make_tiny(model.tiny, folder, seed)
    PartialState().wait_for_everyone()
    return str(folder)


def local_or_hub(path: str, base: Path) -> str:
    """Absolute path of a local folder, or the name as it is."""
    for candidate in (base / Path(path).expanduser(), Path(path).expanduser()):
        if candidate.exists():
            return str(candidate.resolve())
    return path
