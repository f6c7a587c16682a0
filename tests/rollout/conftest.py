"""A tiny policy with peaked predictions on disk, in two precisions, and its trainer-side log-probs."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from grpo.models.pretrained import load_pretrained
from grpo.models.tiny import make_tiny
from grpo.recipe.fields import Model, Rollout, TinyModel
from grpo.records import Prompt
from grpo.rollout.engine import Engine, Request
from grpo.rollout.open import open_engine

MAX_MODEL_LEN = 192
PROMPTS = ("12+34=", "7*8", "<think>what is 3-1?</think>", "a")


class TrainerSide:
    """The policy as the trainer holds it: weights to sync, log-probs to compare with."""

    def __init__(self, folder: Path, dtype: str) -> None:
        self.folder, self.settings = folder, Model(path=str(folder), dtype=dtype)
        self.model, self.tokenizer = load_pretrained(self.settings, str(folder))
        self.model.eval().requires_grad_(False)
        self.eos_ids = frozenset({self.tokenizer.eos_token_id})

    def weights(self):
        return iter(self.model.named_parameters())

    def score(self, sequences: list[list[int]], temperature: float = 1.0) -> list[list[float]]:
        scored = []
        for sequence in sequences:
            logits = self.model(torch.tensor([sequence])).logits[0, :-1].float() / temperature
            scored.append(logits.log_softmax(-1).gather(1, torch.tensor(sequence[1:])[:, None])[:, 0].tolist())
        return scored

    def prompts(self) -> list[Prompt]:
        return [Prompt(id=text, text=text, token_ids=tuple(self.tokenizer(text).input_ids)) for text in PROMPTS]

    def requests(self, samples: int = 4) -> list[Request]:
        return [
            Request(prompt, sample, 1000 * index + sample)
            for index, prompt in enumerate(self.prompts())
            for sample in range(samples)
        ]

    def probe(self) -> list[list[int]]:
        return [list(prompt.token_ids) for prompt in self.prompts()]

    def open(self, engine: str, **rollout) -> Engine:
        return open_engine(
            Rollout(engine=engine, kv_cache_gib=0.125, **{"max_num_seqs": 32} | rollout),
            model=self.settings,
            folder=str(self.folder),
            tokenizer=self.tokenizer,
            eos_ids=self.eos_ids,
            max_model_len=MAX_MODEL_LEN,
            seed=0,
        )


def write_peaked(folder: Path, *, tied: bool) -> Path:
    """Random weights are near uniform; a larger last norm peaks them, so that sequences end and filters bite."""
    tiny = TinyModel(
        layers=2,
        hidden_size=128,
        heads=2,
        kv_heads=1,
        intermediate_size=256,
        tie_word_embeddings=tied,
        initializer_range=0.02,
    )
    make_tiny(tiny, folder, seed=1)
    model, _ = load_pretrained(Model(path=str(folder), dtype="float32"), str(folder))
    with torch.no_grad():
        model.model.norm.weight.mul_(8.0 if tied else 12.0)
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.mul_(8.0)
            layer.mlp.down_proj.weight.mul_(8.0)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def peaked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], TrainerSide]:
    """peaked(dtype, tied) → a fresh trainer's side over one folder a kind."""
    root = tmp_path_factory.mktemp("peaked")
    folders = {tied: write_peaked(root / f"tied_{tied}", tied=tied) for tied in (True, False)}
    return lambda dtype="float32", tied=True: TrainerSide(folders[tied], dtype)
