"""A sequence classifier as a reward: its logit for each completion, whatever it is batched with."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from grpo.errors import UserError
from grpo.models.characters import character_tokenizer
from grpo.recipe.fields import Reward
from grpo.records import Completion, Prompt
from grpo.scoring import Scorer
from grpo.scoring.reward_model import RewardModel, _text

CHAT = ({"role": "user", "content": "hi"},)


def classifier(folder: Path, labels: int = 1) -> Any:
    from transformers import LlamaConfig, LlamaForSequenceClassification

    tokenizer = character_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, num_labels=labels, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = LlamaForSequenceClassification(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


def test_its_scores_are_the_logits_whatever_they_are_batched_with(tmp_path: Path) -> None:
    model, tokenizer = classifier(tmp_path)
    template, tokenizer.chat_template = tokenizer.chat_template, None
    (tmp_path / "chat_template.jinja").unlink()
    replies = ["yes", "a longer reply", "no", "?"]
    reward = RewardModel(str(tmp_path), dtype="float32", batch_size=3, scale=2.0)
    found = reward(prompts=["say: "] * 4, completions=[f"<think>well</think>{reply}" for reply in replies])
    with torch.no_grad():
        alone = [model(**tokenizer(f"say: {reply}", return_tensors="pt")).logits[0, 0].item() for reply in replies]
    assert found == pytest.approx([2.0 * score for score in alone], abs=1e-5)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(tmp_path)
    reward = RewardModel(tmp_path.name, base_folder=tmp_path.parent, dtype="float32", scale=2.0)
    chat = reward(prompts=[CHAT], completions=[[{"role": "assistant", "content": "yo"}]])
    text = tokenizer.apply_chat_template([*CHAT, {"role": "assistant", "content": "yo"}], tokenize=False)
    with torch.no_grad():
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        assert chat == pytest.approx([2.0 * model(**ids).logits[0, 0].item()], abs=1e-5)
    assert reward(prompts=["<policy's own template>hi"], asked=["hi"], completions=["yo"]) == pytest.approx(chat)


def test_without_a_chat_template_the_conversation_is_plain_text() -> None:
    tokenizer = character_tokenizer()
    tokenizer.chat_template = None
    assert _text(tokenizer, "say: ", "say: ", "yes") == "say: yes"
    assert _text(tokenizer, "hi", "<user>hi<assistant>", "yo") == "hi\n\nyo"
    assert _text(tokenizer, CHAT, CHAT, "yo") == "hi\n\nyo"


def test_one_that_cannot_be_loaded_is_named_before_anything_is_judged(tmp_path: Path) -> None:
    scorer = Scorer([Reward(use="format"), Reward(use="reward_model", params={"path": "gone"})], 1, tmp_path)
    for read in (scorer.check, scorer.load):
        with pytest.raises(UserError, match=r"rewards\[1\].params.path: cannot load a reward model from 'gone'"):
            read()


def test_what_does_not_fit_could_not_be_judged_and_the_rest_is(tmp_path: Path) -> None:
    classifier(tmp_path)
    scorer = Scorer([Reward(use="reward_model", params={"path": str(tmp_path), "dtype": "float32"})], 1, tmp_path)
    prompt = Prompt("p", "say: ", (1,), {})
    scorer.begin([prompt])
    for sample, text in enumerate(("short", "x" * 80)):
        scorer.submit(Completion("p", sample, (1,), (0.0,), text, "stop", 0))
    (group,) = scorer.finish()
    scorer.close()
    first, second = (verdicts["reward_model"] for verdicts in group.verdicts)
    assert first.status == "scored" and first.score is not None and math.isfinite(first.score)
    assert second.unjudged


def test_what_is_no_reward_model_is_named(tmp_path: Path) -> None:
    classifier(tmp_path / "two", labels=2)
    with pytest.raises(UserError, match="has 2 outputs, and a reward model has one"):
        RewardModel(str(tmp_path / "two"))(prompts=["a"], completions=["b"])
    with pytest.raises(UserError, match="cannot load a reward model from"):
        RewardModel(str(tmp_path / "none"))(prompts=["a"], completions=["b"])
    with pytest.raises(UserError, match="part is `reply` or `all`"):
        RewardModel("m", part="some")
