"""Run by `accelerate launch`: writes the gradient of one update, as this rank has it after the sum over ranks.

two_ranks.py MODEL_FOLDER OUT_FOLDER COUNT
"""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from grpo.recipe.schema import RLSettings
from grpo.training.update import Updater
from tests.training.cases import gradient, make_samples, policy_of


def main(model: Path, out: Path, count: int) -> None:
    accelerator = Accelerator()
    settings = RLSettings(steps=1, tokens_per_microbatch=64)
    updater = Updater(policy_of(model), settings, total_updates=1, accelerator=accelerator)
    samples = make_samples(count)
    mine = updater._plan(samples, range(count), 20)
    torch.save(
        {"gradient": gradient(updater, samples), "samples": sum(len(batch.samples) for batch in mine.batches)},
        out / f"rank{accelerator.process_index}.pt",
    )
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
