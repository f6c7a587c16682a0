"""Tiny policies on disk, and updaters on them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from grpo.models.tiny import make_tiny
from grpo.recipe.fields import Lora, TinyModel
from grpo.recipe.rl_settings import RLSettings
from grpo.training.update import Updater
from tests.training.cases import policy_of

TINY = TinyModel(layers=2, hidden_size=64, heads=2, kv_heads=1, intermediate_size=96, max_position_embeddings=128)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "model"
    make_tiny(TINY, path, seed=0)
    return path


@pytest.fixture
def updater(folder: Path) -> Callable[..., Updater]:
    """updater(dtype=…, lora=…, **settings) → an Updater on a fresh policy."""

    def make(dtype: str = "float32", lora: Lora | None = None, total_updates: int = 10, **settings) -> Updater:
        policy = policy_of(folder, dtype, lora)
        chosen = RLSettings(**({"steps": 1, "learning_rate": 1e-3, "max_grad_norm": None} | settings))
        if chosen.beta > 0:
            policy.load_reference(str(folder))
        return Updater(policy, chosen, total_updates=total_updates)

    return make
