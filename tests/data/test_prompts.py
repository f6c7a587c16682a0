"""Rendering, tokens, ids, and prompts that do not fit."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy
import pytest

from grpo.data.prompts import PromptSet, load_prompts, prompt_id
from grpo.data.templates import R1_ZERO
from grpo.errors import UserError
from grpo.recipe.fields import Data

WHERE = "stages.zero.data"
HERE = Path(__file__).parent


def prompts(tokenizer: Any, rows: Any, *, limit: int | None = None, base: Path = HERE, **fields: Any) -> PromptSet:
    data = Data(source="rows", **fields)
    return load_prompts(data, tokenizer, base=base, where=WHERE, seed=0, max_prompt_tokens=limit, rows=rows)


def one(tokenizer: Any, row: Any, **fields: Any):
    return prompts(tokenizer, [row], **fields).prompts[0]


def test_a_text_prompt_is_one_user_turn_of_the_chat_template(characters: Any) -> None:
    prompt = one(characters, {"prompt": "2+3=", "solution": "5"}, system="Be brief.")
    assert prompt.text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2+3=<|im_end|>\n<|im_start|>assistant\n"
    )
    assert prompt.messages is None and prompt.columns == {"solution": "5"}
    assert characters.decode(prompt.token_ids) == prompt.text


def test_examples_are_earlier_turns_behind_the_system_message(characters: Any) -> None:
    examples = [{"prompt": "1+1=", "completion": "2"}]
    shown = "<|im_start|>user\n1+1=<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
    asked = "<|im_start|>user\n2+3=<|im_end|>\n<|im_start|>assistant\n"
    assert one(characters, {"prompt": "2+3="}, examples=examples).text == shown + asked
    turns = [{"role": "system", "content": "Add."}, {"role": "user", "content": "2+3="}]
    for row, fields in (({"prompt": turns}, {}), ({"prompt": "2+3="}, {"system": "Add."})):
        prompt = one(characters, row, examples=examples, **fields)
        assert prompt.text == f"<|im_start|>system\nAdd.<|im_end|>\n{shown}{asked}"


def test_messages_stay_messages_and_an_assistant_turn_is_continued(characters: Any) -> None:
    turns = [{"role": "user", "content": "2+3=", "tool_calls": None}, {"role": "assistant", "content": "<think>"}]
    prompt = one(characters, {"prompt": turns})
    assert prompt.messages == ({"role": "user", "content": "2+3="}, {"role": "assistant", "content": "<think>"})
    assert prompt.text == "<|im_start|>user\n2+3=<|im_end|>\n<|im_start|>assistant\n<think>"


def test_chat_template_kwargs_reach_the_template(characters: Any) -> None:
    class Spy:
        chat_template, bos_token_id, eos_token_id = "x", None, 1

        def apply_chat_template(self, messages: Any, **kwargs: Any) -> str:
            self.kwargs = kwargs
            return "2"

        def __call__(self, text: str, **kwargs: Any) -> Any:
            return characters(text, **kwargs)

    spy = Spy()
    one(spy, {"prompt": "p"}, chat_template_kwargs={"enable_thinking": False})
    assert spy.kwargs["enable_thinking"] is False and spy.kwargs["add_generation_prompt"] is True


def test_r1_zero_none_and_jinja(characters: Any, tmp_path: Path) -> None:
    row = {"prompt": "2+3=", "unit": "apples"}
    text = one(characters, row, template="r1_zero").text
    assert text == f"{R1_ZERO}User: 2+3=\nAssistant:"
    assert all(tag in text for tag in ("<think>", "</think>", "<answer>", "</answer>"))
    assert one(characters, row, template="none").text == "2+3="
    own = "{{system}}Q {{prompt}} in {{unit}}, {{messages[0].content}}\n"
    assert one(characters, row, template=own, system="S: ").text == "S: Q 2+3= in apples, 2+3="
    (tmp_path / "own.jinja").write_text(own)
    assert one(characters, row, template="own.jinja", base=tmp_path).text == "Q 2+3= in apples, 2+3="


def test_at_most_one_bos_and_no_eos(adds_bos: Any) -> None:
    for template, text in [("none", "ab"), ("chat", "ab"), ("none", "<s>ab"), ("{{bos_token}}{{prompt}}", "ab")]:
        prompt = one(adds_bos, {"prompt": text}, template=template)
        assert (prompt.token_ids, prompt.text) == ((0, 3, 4), "<s>ab"), template


def test_a_tokenizer_that_adds_no_bos_gets_none(characters: Any) -> None:
    assert one(characters, {"prompt": "2"}, template="none").text == "2"


@pytest.mark.parametrize(
    ("row", "fields", "message"),
    [
        ({"question": "q"}, {}, "rows, row 0 (counted from 0) has no column 'prompt'\nColumns there: question."),
        ({"prompt": 3}, {}, "'prompt' is int, expected text or a list of messages"),
        ({"prompt": []}, {}, "'prompt' is empty, expected text or a list of messages"),
        ({"prompt": [{"role": "user"}]}, {}, "message 0 of 'prompt' needs `role` and `content`"),
        ({"prompt": "q"}, {"template": "chatt"}, "'chatt' is no template and no file"),
        ({"prompt": "q"}, {"template": "{{ nothing }}"}, "'nothing' is undefined"),
        ({"prompt": "q"}, {"template": "{% if %}"}, "not a Jinja text (line 1)"),
        ({"prompt": "q"}, {"template": "none", "system": "s"}, "template none has no place for it"),
        (
            {"prompt": "q"},
            {"template": "{{ prompt }}", "examples": [{"prompt": "a", "completion": "b"}]},
            "template of your own has no place for it",
        ),
        ({"prompt": [{"role": "user", "content": "q"}]}, {"template": "none"}, "template none takes a prompt that is"),
        ({"prompt": [{"role": "system", "content": "q"}]}, {"system": "s"}, "has a system message already"),
        ({"prompt": ""}, {"template": "none"}, "rows, row 0 (counted from 0): the prompt is empty"),
        ({"prompt": "q", "x": object()}, {}, "a column holds a object, which is not plain data"),
    ],
)
def test_what_is_wrong_is_named(characters: Any, row: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        one(characters, row, **fields)
    assert message in str(caught.value) and str(caught.value).startswith(WHERE)


def test_a_tokenizer_without_chat_template_is_said(characters: Any) -> None:
    class Bare:
        chat_template, bos_token_id = None, None

    with pytest.raises(UserError, match="has no chat template\nFor a base model use template: r1_zero or none"):
        one(Bare(), {"prompt": "q"})


def test_too_long_fails_or_is_dropped_and_counted(characters: Any) -> None:
    rows = [{"prompt": "1" * length} for length in (3, 9, 5, 12)]
    with pytest.raises(UserError) as caught:
        prompts(characters, rows, limit=5, template="none")
    assert "rows, row 1 (counted from 0): the prompt has 9 tokens, and 5 fit" in str(caught.value)
    kept = prompts(characters, rows, limit=5, template="none", too_long="drop")
    assert [prompt.text for prompt in kept.prompts] == ["111", "11111"]
    assert (kept.dropped, kept.longest) == ({"too_long": 2}, 5)
    with pytest.raises(UserError, match="no prompt is left: every one of 4"):
        prompts(characters, rows, limit=2, template="none", too_long="drop")


def test_ids_depend_on_text_and_columns_alone(characters: Any) -> None:
    first = prompt_id("t", {"a": 1, "b": [1, 2]})
    assert first == prompt_id("t", {"b": [1, 2], "a": 1}) == prompt_id("t", {"b": numpy.array([1, 2]), "a": 1})
    assert len({first, prompt_id("t", {"a": 2, "b": [1, 2]}), prompt_id("u", {"a": 1, "b": [1, 2]})}) == 3
    rows = [{"prompt": "x", "solution": "1"}, {"prompt": "y", "solution": "1"}]
    listed = prompts(characters, rows).prompts
    as_dataset = prompts(characters, datasets.Dataset.from_list(rows)).prompts
    assert [p.id for p in listed] == [p.id for p in as_dataset]
    assert [p.id for p in prompts(characters, rows[::-1]).prompts] == [p.id for p in listed[::-1]]


def test_equal_rows_get_numbered_ids(characters: Any) -> None:
    row = {"prompt": "x", "solution": "1"}
    ids = [prompt.id for prompt in prompts(characters, [row, {"prompt": "y"}, row, row]).prompts]
    assert ids[2:] == [f"{ids[0]}-2", f"{ids[0]}-3"] and len(set(ids)) == 4


def test_ids_are_the_same_in_another_process() -> None:
    code = "from grpo.data.prompts import prompt_id; print(prompt_id('2+3=', {'solution': '5', 'level': 1, 'x': 0.5}))"
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE.parents[1]
    ).stdout.strip()
    assert there == prompt_id("2+3=", {"level": 1, "x": 0.5, "solution": "5"}) == PINNED


PINNED = "e4832ac6e9e78989"
