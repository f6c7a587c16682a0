"""The reference of an `rl` stage: the policy it began with, or another one that the recipe names (a teacher), or where
the recipe refreshes it, a later one of its own.

    references/step_000025/    the policy after step 25, a from_pretrained folder: the reference from step 26 on

They are kept as long as a checkpoint from which the run could go on refers to them.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from accelerate import Accelerator

from grpo.atomic import write_folder
from grpo.errors import GuardError, UserError
from grpo.models.policy import Policy
from grpo.recipe.schedule import reference_after
from grpo.recipe.trained_stages import RLStage
from grpo.stages.stage import StageInputs
from grpo.training.choose import reason_to_pad


class References:
    """Nothing is loaded or written where beta is 0."""

    def __init__(self, settings: RLStage, inputs: StageInputs, policy: Policy, accelerator: Accelerator) -> None:
        self._settings, self._inputs, self._policy, self._accelerator = settings, inputs, policy, accelerator
        self._root = inputs.folder / "references"
        self._current: int | None = None

    def prepare(self, step: int) -> None:
        """Before step `step` (from 1), with the policy of the step before: the reference that this step has.

        Raises GuardError where an earlier policy that is the reference is not on the disk any more.
        """
        wanted = reference_after(self._settings, step)
        if self._settings.beta == 0 or wanted == self._current:
            return
        if wanted == 0 and self._inputs.reference_path is not None:
            self._load_teacher(self._inputs.reference_path)
        elif wanted == 0:
            self._policy.load_reference(self._inputs.policy_path)
        else:
            folder = self._folder(wanted)
            if wanted == step - 1:
                self._keep_policy(folder)
            elif not folder.exists():
                raise GuardError(f"the reference of step {step} is the policy of step {wanted}: {folder} is not there")
            self._policy.load_reference(str(folder), of_its_own=True)
        self._current = wanted

    def prune(self, checkpoints: Iterable[int]) -> None:
        """Removes what none of the checkpoints (their steps), and not the next step, refers to. On one process."""
        needed = {reference_after(self._settings, step + 1) for step in checkpoints} | {self._current}
        for folder in self._root.glob("step_*") if self._root.exists() else ():
            if int(folder.name.removeprefix("step_")) not in needed:
                shutil.rmtree(folder)

    def _load_teacher(self, path: str) -> None:
        """Another policy, perhaps of another size. Raises UserError where it cannot be compared token by token."""
        self._policy.load_reference(path, of_its_own=True)
        with self._policy.reference() as teacher:
            reason = reason_to_pad(teacher) if self._settings.layout == "auto" else None
        if reason is not None:
            raise UserError(
                f"the reference cannot be forwarded with shared prompts: {reason}",
                where=self._inputs.where("reference"),
                advice="Set the stage's layout: padded.",
            )

    def _keep_policy(self, folder: Path) -> None:
        """Written anew also where a run that was killed had written it: what the policy is now is what counts."""
        if self._accelerator.is_main_process:
            folder.parent.mkdir(parents=True, exist_ok=True)
            write_folder(folder, self._policy.save)
        self._accelerator.wait_for_everyone()

    def _folder(self, step: int) -> Path:
        return self._root / f"step_{step:06d}"
