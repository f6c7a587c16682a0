"""Compiled layers give the gradient of plain ones, and are compiled once whatever the micro-batches."""

from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters

from grpo.errors import UserError
from grpo.recipe.fields import Lora
from grpo.recipe.rl_settings import RLSettings
from grpo.training.compiled import compile_layers
from grpo.training.update import Updater
from tests.training.cases import make_samples, policy_of, relative

CASES = {
    "shared prompts": ({}, {}),
    "padded rows, checkpointing and LoRA": ({"gradient_checkpointing": True, "lora": Lora(r=4)}, {"layout": "padded"}),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if "LoRA" in case else ()) for case in CASES]
)
def test_the_gradient_is_the_same_and_nothing_is_compiled_twice(folder: Path, case: str) -> None:
    torch.compiler.reset()
    policy, settings = CASES[case]

    def updater(**extra) -> Updater:
        chosen = RLSettings(steps=1, tokens_per_microbatch=128, **settings, **extra)
        return Updater(policy_of(folder, **policy), chosen, total_updates=1)

    plain, compiled = updater(), updater(torch_compile=True)
    graphs = []
    for seed in range(3):  # micro-batches of other sizes each time
        samples = make_samples(8, seed=seed)
        assert relative(compiled.gradient(samples, 20), plain.gradient(samples, 20)) < 1e-5
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] > 0 and len(set(graphs)) == 1
    assert list(compiled._masters.weights) == list(plain._masters.weights)


def test_an_architecture_without_layers_of_the_usual_kind_is_refused(folder: Path) -> None:
    model = policy_of(folder).model
    model.model.layers = torch.nn.ModuleList()
    with pytest.raises(UserError, match="has no layers that can be compiled one by one"):
        compile_layers(model)
