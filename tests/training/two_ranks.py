"""Run by `accelerate launch`: for each count of samples writes the gradient of one update as this rank has it after the
sum over ranks, and the policy after a whole round.

two_ranks.py MODEL_FOLDER OUT_FOLDER COUNT…
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator

from grpo.recipe.rl_settings import RLSettings
from grpo.training.update import Updater
from tests.training.cases import make_samples, policy_of


def main(model: Path, out: Path, counts: Sequence[int]) -> None:
    accelerator = Accelerator()
    settings = RLSettings(steps=1, tokens_per_microbatch=64, learning_rate=1e-3)
    for count in counts:
        updater = Updater(policy_of(model), settings, total_updates=1, accelerator=accelerator)
        samples = make_samples(count)
        mine = updater._plan(samples, range(count), 20)
        outcome = {
            "samples": sum(len(batch.samples) for batch in mine.batches),
            "gradient": updater.gradient(samples, 20),
            "figures": updater.round(samples, 20),
            "weights": dict(updater._masters.weights),
        }
        torch.save(outcome, out / f"count{count}_rank{accelerator.process_index}.pt")
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(count) for count in sys.argv[3:]])
