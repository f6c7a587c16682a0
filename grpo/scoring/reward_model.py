"""A reward model as a reward: a transformers sequence classifier with one output, whose logit is the score.

    rewards:
      - {use: reward_model, params: {path: org/reward-model}, weight: 0.5}

For what no rule can judge. DeepSeek-R1 (arXiv 2501.12948, §2.3.4) shows it general prompts alone, and late, because a
policy learns to please the model: see `mixture` and `changes`. Of helpfulness it judges the reply, not the reasoning.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from grpo.errors import UserError
from rewards.reasoning import after_reasoning

Messages = Sequence[Mapping[str, str]]


class RewardModel:
    """Scores a step's completions in batches, in this process, on the accelerator where there is one.

    path: folder or hub name. part: `reply` (what stands after the reasoning) or `all`. scale: factor on the logit.
    batch_size: sequences at a time. A sequence that does not fit into the model's context could not be judged.
    The model is loaded when the first step is scored. Raises UserError where it cannot be, or has several outputs.
    """

    stays = "it holds a model"

    def __init__(
        self,
        path: str,
        part: str = "reply",
        scale: float = 1.0,
        batch_size: int = 8,
        dtype: str = "bfloat16",
        revision: str | None = None,
    ) -> None:
        if part not in ("reply", "all"):
            raise UserError(f"part is `reply` or `all`, got {part!r}", where="params.part")
        self._path, self._part, self._scale, self._batch_size = path, part, scale, batch_size
        self._dtype, self._revision = getattr(torch, dtype), revision or "main"
        self._loaded: tuple[Any, Any] | None = None

    def __call__(
        self, *, prompts: Sequence[str | Messages], completions: Sequence[str | Messages], **_: Any
    ) -> list[float]:
        """NaN where a sequence does not fit."""
        model, tokenizer = self._load()
        texts = [self._text(tokenizer, *pair) for pair in zip(prompts, completions, strict=True)]
        plain = [isinstance(prompt, str) for prompt in prompts]  # a chat template writes its special tokens itself
        rows = [tokenizer(t, add_special_tokens=add).input_ids for t, add in zip(texts, plain, strict=True)]
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

    def _text(self, tokenizer: Any, prompt: str | Messages, completion: str | Messages) -> str:
        """The conversation in the reward model's own template; plain text where the prompt is plain."""
        reply = completion if isinstance(completion, str) else completion[-1]["content"]
        reply = after_reasoning(reply).strip() if self._part == "reply" else reply
        if isinstance(prompt, str):
            return prompt + reply
        turns = [*map(dict, prompt), {"role": "assistant", "content": reply}]
        return tokenizer.apply_chat_template(turns, tokenize=False)

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            from transformers import AutoModelForSequenceClassification, AutoTokenizer

            source = {"revision": self._revision}
            try:
                model = AutoModelForSequenceClassification.from_pretrained(self._path, dtype=self._dtype, **source)
                tokenizer = AutoTokenizer.from_pretrained(self._path, **source)
            except (OSError, ValueError) as error:
                raise UserError(
                    f"cannot load a reward model from {self._path!r}: {error}", where="params.path"
                ) from error
            if model.config.num_labels != 1:
                raise UserError(
                    f"{self._path!r} has {model.config.num_labels} outputs, and a reward model has one",
                    where="params.path",
                )
            if tokenizer.pad_token_id is None:
                tokenizer.pad_token = tokenizer.eos_token
            model.config.pad_token_id = tokenizer.pad_token_id
            device = "cuda" if torch.cuda.is_available() else "cpu"
            self._loaded = model.eval().to(device), tokenizer
        return self._loaded
