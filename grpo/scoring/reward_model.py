"""A reward model as a reward: a transformers sequence classifier with one output, whose logit is the score.

    rewards:
      - {use: reward_model, params: {path: org/reward-model}, weight: 0.5}

For what no rule can judge. DeepSeek-R1 (arXiv 2501.12948, §2.3.4) shows it general prompts alone, and late, because a
policy learns to please the model: see `mixture` and `changes`. Of helpfulness it judges the reply, not the reasoning.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from grpo.errors import UserError
from rewards.reasoning import after_reasoning

Messages = Sequence[Mapping[str, str]]


class RewardModel:
    """Scores a step's completions in batches, in this process, on the accelerator where there is one.

    path: folder (relative to base_folder) or hub name. part: `reply` (what stands after the reasoning) or `all`.
    scale: factor on the logit. batch_size: sequences at a time. A sequence that does not fit into the model's context
    could not be judged.
    """

    stays = "it holds a model"

    def __init__(
        self,
        path: str,
        base_folder: Path = Path(),
        part: str = "reply",
        scale: float = 1.0,
        batch_size: int = 8,
        dtype: str = "bfloat16",
        revision: str | None = None,
    ) -> None:
        if part not in ("reply", "all"):
            raise UserError(f"part is `reply` or `all`, got {part!r}", where="params.part")
        folder = base_folder / Path(path).expanduser()
        self._path, self._part, self._scale = str(folder) if folder.is_dir() else path, part, scale
        self._dtype, self._batch_size, self._revision = getattr(torch, dtype), batch_size, revision or "main"
        self._loaded: tuple[Any, Any] | None = None

    def check(self) -> None:
        """Reads what is small: configuration and tokenizer. Raises UserError where it is no reward model."""
        from transformers import AutoConfig

        with self._reading():
            config = AutoConfig.from_pretrained(self._path, revision=self._revision)
            self._tokenizer()
        if config.num_labels != 1:
            raise UserError(
                f"{self._path!r} has {config.num_labels} outputs, and a reward model has one", where="params.path"
            )

    def load(self) -> None:
        """Its weights into memory. Raises UserError where they cannot be read."""
        if self._loaded is not None:
            return
        from transformers import AutoModelForSequenceClassification

        self.check()
        with self._reading():
            tokenizer = self._tokenizer()
            model = AutoModelForSequenceClassification.from_pretrained(
                self._path, dtype=self._dtype, revision=self._revision
            )
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        model.config.pad_token_id = tokenizer.pad_token_id
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._loaded = model.eval().to(device), tokenizer

    def __call__(
        self,
        *,
        prompts: Sequence[str | Messages],
        completions: Sequence[str | Messages],
        asked: Sequence[str | Messages] | None = None,
        **_: Any,
    ) -> list[float]:
        """NaN where a sequence does not fit. asked: the prompts before the policy's template; without it, `prompts`."""
        self.load()
        assert self._loaded is not None
        model, tokenizer = self._loaded
        replies = [self._judged_part(completion) for completion in completions]
        texts = [_text(tokenizer, *row) for row in zip(asked or prompts, prompts, replies, strict=True)]
        plain = tokenizer.chat_template is None  # a chat template writes its special tokens itself
        rows = [tokenizer(text, add_special_tokens=plain).input_ids for text in texts]
        longest = getattr(model.config, "max_position_embeddings", None) or math.inf
        scores = [math.nan] * len(rows)
        fitting = sorted((place for place, row in enumerate(rows) if len(row) <= longest), key=lambda p: len(rows[p]))
        for start in range(0, len(fitting), self._batch_size):
            places = fitting[start : start + self._batch_size]
            for place, score in zip(places, self._score(model, tokenizer, [rows[p] for p in places]), strict=True):
                scores[place] = score * self._scale
        return scores

    @torch.no_grad()
    def _score(self, model: Any, tokenizer: Any, rows: Sequence[Sequence[int]]) -> list[float]:
        padded = tokenizer.pad({"input_ids": list(rows)}, return_tensors="pt").to(model.device)
        return model(**padded).logits[:, 0].float().tolist()

    def _judged_part(self, completion: str | Messages) -> str:
        reply = completion if isinstance(completion, str) else completion[-1]["content"]
        return after_reasoning(reply).strip() if self._part == "reply" else reply

    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self._path, revision=self._revision)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise UserError(f"cannot load a reward model from {self._path!r}: {error}", where="params.path") from error


def _text(tokenizer: Any, asked: str | Messages, prompt: str | Messages, reply: str) -> str:
    """The conversation in the reward model's own template, whatever the policy's is; as plain text without one, where a
    prompt that the policy saw unchanged goes on into the reply."""
    if tokenizer.chat_template is not None:
        turns = [{"role": "user", "content": asked}] if isinstance(asked, str) else [dict(turn) for turn in asked]
        return tokenizer.apply_chat_template([*turns, {"role": "assistant", "content": reply}], tokenize=False)
    if isinstance(asked, str):
        return asked + reply if asked == prompt else f"{asked}\n\n{reply}"
    return "\n\n".join([*(turn["content"] for turn in asked), reply])
