"""Examples for supervised fine-tuning: the prompt's tokens are RL's, the mask is the completion's."""

import json
from pathlib import Path
from typing import Any

import pytest

from grpo.data.prompts import load_prompts
from grpo.data.sft import as_dataset, load_examples, sft_dataset
from grpo.errors import UserError
from grpo.recipe.fields import Data

WHERE = "stages.base.data"
ROW = {"prompt": "2+3=", "completion": "<think>2+3=5</think>\n<answer>5</answer>"}
GIVEN: dict[str, Any] = {"base": Path(), "where": WHERE, "seed": 0}


def test_tokens_and_mask_are_exact(characters: Any) -> None:
    loaded = load_examples(Data(source="rows", template="none"), characters, rows=[ROW], **GIVEN)
    dataset = as_dataset(loaded.examples)
    ids, mask = dataset[0]["input_ids"], dataset[0]["completion_mask"]
    assert characters.decode(ids) == "2+3=<think>2+3=5</think>\n<answer>5</answer><|im_end|>"
    assert mask == [0] * 4 + [1] * (1 + 5 + 1 + 1 + 1 + 1 + 1 + 1)  # tags are one token each; the end counts


@pytest.mark.parametrize("template", ["none", "chat", "r1_zero"])
def test_the_prompt_is_the_one_that_rl_samples_from(characters: Any, adds_bos: Any, template: str) -> None:
    data = Data(source="rows", template=template)
    for tokenizer, row in ((characters, ROW), (adds_bos, {"prompt": "ab", "completion": "c"})):
        example = load_examples(data, tokenizer, rows=[row], **GIVEN).examples[0]
        prompt = load_prompts(data, tokenizer, rows=[row], **GIVEN).prompts[0]
        assert (example.prompt_ids, example.prompt) == (prompt.token_ids, prompt.text)
        assert example.completion_ids[-1] == tokenizer.eos_token_id
        assert example.completion_ids[:1] != (tokenizer.bos_token_id,)


def test_conversations(characters: Any) -> None:
    user, told = {"role": "user", "content": "2+3="}, {"role": "assistant", "content": "5"}
    rows = [{"prompt": [user], "completion": [told]}, {"messages": [user, told]}, {"prompt": [user], "completion": "5"}]
    examples = load_examples(Data(source="rows"), characters, rows=rows, **GIVEN).examples
    assert {(e.prompt, e.completion) for e in examples} == {
        ("<|im_start|>user\n2+3=<|im_end|>\n<|im_start|>assistant\n", "5")
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "a"}, "has no column 'completion'\nColumns there: prompt."),
        ({"completion": "a"}, "has no column 'prompt'"),
        ({"prompt": "a", "completion": ""}, "the completion is empty"),
        ({"prompt": "a", "completion": None}, "'completion' is NoneType, expected text"),
        ({"messages": [{"role": "user", "content": "a"}]}, "'messages' must end in one assistant message"),
    ],
)
def test_broken_rows_are_named(characters: Any, row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_examples(Data(source="rows"), characters, rows=[ROW, row], **GIVEN)
    assert message in str(caught.value) and "rows, row 1 (counted from 0)" in str(caught.value)


def test_a_long_row_is_never_cut(characters: Any) -> None:
    rows = [ROW, {"prompt": "2+3=", "completion": "5"}]
    with pytest.raises(UserError, match=r"row 0 \(counted from 0\): prompt and completion have 16 tokens, and 8 fit"):
        load_examples(Data(source="rows", template="none"), characters, rows=rows, max_length=8, **GIVEN)
    data = Data(source="rows", template="none", too_long="drop")
    kept = load_examples(data, characters, rows=rows, max_length=8, **GIVEN)
    assert (len(kept.examples), kept.dropped, kept.longest) == (1, {"too_long": 1}, 6)
    with pytest.raises(UserError, match="no example is left"):
        load_examples(data, characters, rows=rows, max_length=3, **GIVEN)


def test_rows_of_several_sources_stand_together(
    characters: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    short_row = json.dumps({"prompt": "2+3=", "completion": "5"}) + "\n"
    (tmp_path / "a.jsonl").write_text(json.dumps(ROW) + "\n" + short_row)
    (tmp_path / "b.jsonl").write_text(short_row)
    sources = {
        "stages.s.data.0": Data(source="a.jsonl", template="none", too_long="drop"),
        "stages.s.data.1": Data(source="b.jsonl", template="none"),
    }
    assert len(sft_dataset(sources, characters, base=tmp_path, seed=0)) == 3
    short = sft_dataset(sources, characters, base=tmp_path, seed=0, max_length=8)
    assert short["input_ids"] == [characters("2+3=5").input_ids + [characters.eos_token_id]] * 2
    assert "stages.s.data.0: 1 rows left out (too_long)" in caplog.text


def test_a_template_of_ones_own_does_not_see_the_answer(characters: Any) -> None:
    """The row's `messages` end in it; the template's are the prompt's."""
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "two"}]
    data = Data(source="rows", template="{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}")
    (example,) = load_examples(data, characters, rows=[{"messages": turns}], **GIVEN).examples
    assert (example.prompt, example.completion) == ("[user]1+1?", "two")
