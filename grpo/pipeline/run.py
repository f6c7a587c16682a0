"""Which stage runs now: the stages of a recipe in the order of the file, each skipped where it is done.

A graph of stages with keys and gates will replace the list walked here; `stage.json` is its place.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from grpo.pipeline.base_policy import base_policy
from grpo.pipeline.ledger import Ledger
from grpo.pipeline.lock import run_folder
from grpo.recipe.load import LoadedRecipe
from grpo.recipe.schema import RLStage, SFTStage
from grpo.stages.stage import Given, StageInputs, StageResult

log = logging.getLogger("grpo")


def run_recipe(loaded: LoadedRecipe, *, given: Given | None = None) -> dict[str, StageResult]:
    """Run every stage that is not done; a run that was stopped at any moment goes on where it was.

    Returns the results by stage. Raises UserError for what the user can mend (another process on this run folder, a
    recipe edited under a started run), GuardError where a stage's guard stopped it.
    """
    recipe = loaded.recipe
    root = Path(recipe.run_dir).expanduser().resolve()
    results: dict[str, StageResult] = {}
    with run_folder(root, loaded):
        policies = {"base": base_policy(recipe.model, root, loaded.base, recipe.seed)}
        previous = "base"
        for name, settings in recipe.stages.items():
            inputs = StageInputs(
                name=name,
                folder=root / name,
                base=loaded.base,
                seed=recipe.seed,
                model=recipe.model,
                policy_path=policies[settings.policy or previous],
                trackers=recipe.trackers,
                project=recipe.project,
                given=given or Given(),
            )
            results[name] = run_stage(settings, inputs, start=settings.policy or previous)
            policies[name] = results[name].policy_path
            previous = name
    return results


def run_stage(settings: SFTStage | RLStage, inputs: StageInputs, *, start: str) -> StageResult:
    """One stage, unless its ledger says that it is done. start: name of the stage it starts from, or `base`."""
    ledger = Ledger(inputs.folder / "stage.json", what=what_defines(settings, inputs, start), name=inputs.name)
    done = ledger.result()
    if done is not None:
        log.info("stage %s is done already: %s", inputs.name, done.policy_path)
        return done
    ledger.open()
    if isinstance(settings, SFTStage):
        from grpo.stages import sft

        result = sft.run(settings, inputs)
    else:
        from grpo.stages import rl

        result = rl.run(settings, inputs)
    ledger.close(result)
    return result


def what_defines(settings: SFTStage | RLStage, inputs: StageInputs, start: str) -> Mapping[str, object]:
    """All that a stage's result depends on and that a recipe says: settings, model, seed, and where it starts from.
    By name, not by path: a run folder can be moved."""
    return {
        "settings": settings.model_dump(mode="json"),
        "model": inputs.model.model_dump(mode="json"),
        "seed": inputs.seed,
        "starts_from": start,
    }
