"""Runs the stages of a recipe, each after those it needs, and only those that are not done."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from grpo.errors import UserError
from grpo.pipeline.base_policy import base_policy, local_or_hub
from grpo.pipeline.gates import failed_gates, stop_at
from grpo.pipeline.intents import Intent, intents, refuse_half_done
from grpo.pipeline.keys import stage_keys
from grpo.pipeline.ledger import differences
from grpo.pipeline.lock import is_main_process, run_folder
from grpo.pipeline.rows import with_rows
from grpo.pipeline.table import write_table
from grpo.pipeline.templates import check_templates
from grpo.recipe.graph import BASE, BASES, model_of, needs, order
from grpo.recipe.load import LoadedRecipe
from grpo.recipe.schema import Stage
from grpo.stages.sampled_rows import take_samples
from grpo.stages.stage import Given, StageInputs, StageResult

log = logging.getLogger("grpo")


def run_recipe(loaded: LoadedRecipe, *, given: Given | None = None, begin: str | None = None) -> dict[str, StageResult]:
    """Run every stage that is not done; a run that was stopped at any moment goes on where it was.

    begin: the stage to go on from although its gates do not hold (`--from`; see `intents` too).
    Returns the results by stage. Raises UserError for what the user can mend (another process on this run folder, a
    recipe edited under a stage that is half done), GuardError where a gate or a stage's guard stopped it.
    """
    recipe = loaded.recipe
    root = Path(recipe.run_dir).expanduser().resolve()
    check_templates(recipe.stages, given or Given())
    results: dict[str, StageResult] = {}
    with run_folder(root, loaded):
        found = intents(loaded, begin)
        refuse_half_done(found)
        for intent in found:
            rows = {name: str(result.data_path) for name, result in results.items() if result.data_path}
            inputs = inputs_of(loaded, root, intent.name, results, given or Given())
            settings = with_rows(recipe.stages[intent.name], rows)
            if intent.action != "skip":
                _nothing_changed_meanwhile(loaded, intent)
            results[intent.name] = run_stage(settings, inputs, intent, results, pass_over=intent.name == begin)
        if is_main_process():
            write_table(root, recipe.stages, results)
    return results


def inputs_of(
    loaded: LoadedRecipe, root: Path, name: str, results: Mapping[str, StageResult], given: Given
) -> StageInputs:
    """What stage `name` is given: where it starts from, and what its reference is."""
    recipe = loaded.recipe
    required, own = needs(recipe.stages, name), recipe.stages[name].model
    if required.policy == BASE:
        folder = root / BASE if own is None else root / BASES / name
        start = base_policy(own or recipe.model, folder, loaded.base, recipe.seed)
    else:
        start = str(results[required.policy].policy_path)
    reference = getattr(recipe.stages[name], "reference", None)
    if required.reference is not None:
        reference = results[required.reference].policy_path
    elif reference is not None:
        reference = local_or_hub(reference, loaded.base)
    return StageInputs(
        name=name,
        folder=root / name,
        base=loaded.base,
        seed=recipe.seed,
        model=model_of(recipe.stages, name, recipe.model),
        policy_path=start,
        reference_path=reference,
        trackers=recipe.trackers,
        project=recipe.project,
        given=given,
    )


def run_stage(
    settings: Stage, inputs: StageInputs, intent: Intent, results: Mapping[str, StageResult], *, pass_over: bool
) -> StageResult:
    """One stage, unless it is done. pass_over: gates that do not hold are recorded, and do not stop it."""
    if intent.action == "skip":
        done = intent.ledger.result()
        log.info("stage %s is done already: %s", intent.name, done.policy_path or done.data_path or inputs.folder)
        return done
    failed = failed_gates(settings, results)
    if failed and not pass_over:
        raise stop_at(intent.name, failed, results)
    _wait_for_everyone()
    if is_main_process():
        if intent.action == "again":
            place = intent.ledger.set_aside()
            log.info("stage %s runs again (%s); what it was is in %s", intent.name, intent.why, place)
            if intent.keeps_samples:
                take_samples(place, inputs.folder)
        intent.ledger.open(failed)
    _wait_for_everyone()
    result = run_kind(settings, inputs)
    if is_main_process():
        intent.ledger.close(result)
    _wait_for_everyone()
    return result


def _nothing_changed_meanwhile(loaded: LoadedRecipe, intent: Intent) -> None:
    """A file that was edited while earlier stages ran would be used under the key that it had before."""
    key = stage_keys(loaded.recipe, loaded.base, order(loaded.recipe.stages))[intent.name]
    if key.digest != intent.ledger.key.digest:
        changed = "; ".join(differences(intent.ledger.key.what, key.what))
        raise UserError(
            f"what stage {intent.name} is made from changed while the run was going on: {changed}",
            where=f"stages.{intent.name}",
            advice="Start again: the stages that it concerns run with what is there now.",
        )


def run_kind(settings: Stage, inputs: StageInputs) -> StageResult:
    """Imports what this kind of stage needs, and runs it."""
    if settings.kind == "sft":
        from grpo.stages import sft

        return sft.run(settings, inputs)
    if settings.kind == "rl":
        from grpo.stages import rl

        return rl.run(settings, inputs)
    if settings.kind == "sample":
        from grpo.stages import sample

        return sample.run(settings, inputs)
    if settings.kind == "export":
        from grpo.stages import export

        return export.run(settings, inputs)
    from grpo.stages import evaluate

    return evaluate.run(settings, inputs)


def _wait_for_everyone() -> None:
    """Between what one process does to the run folder and what all read of it."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
