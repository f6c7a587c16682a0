"""A row's prompt to the text the model reads: `chat`, `r1_zero`, `none`, or your own Jinja.

    r1_zero:  "…the reasoning … inside <think> </think> …\n\nUser: What is 2+3?\nAssistant:"

`chat` is the model's own chat template, a text prompt being one user turn. The others make plain text for base models.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.data.columns import missing_column
from grpo.data.sandbox import compile_text, is_jinja, render
from grpo.errors import UserError
from grpo.recipe.fields import Data

Message = Mapping[str, Any]

# After the base template of DeepSeek-R1 (arXiv:2501.12948, table 1): a fixed frame that asks for the form only, and
# gives no hint of how to reason. The wording is ours.
R1_ZERO = (
    "Below, a user asks a question and an assistant replies. The assistant always thinks first and replies second. "
    "It writes its thinking between <think> and </think>, and after that its final reply between <answer> and "
    "</answer>, like this: <think> the thinking </think>\n<answer> the final reply </answer>\n\n"
)


@dataclass(frozen=True)
class Rendered:
    """The text the model reads, and the conversation where the row's prompt was one."""

    text: str
    messages: tuple[Message, ...] | None


Template = Callable[[Mapping[str, Any], str], Rendered]


def open_template(data: Data, tokenizer: Any, *, base: Path, where: str) -> Template:
    """The function (row, its place) → Rendered that `data.template` names.

    Raises `UserError`: no such template, a tokenizer without chat template, a setting that the template does not use.
    """
    name = data.template
    if name == "chat":
        return _chat(data, tokenizer, where)
    if name in ("r1_zero", "none"):
        _refuse(data, ("system", "examples", "chat_template_kwargs"), where)
        return _r1_zero(where) if name == "r1_zero" else _none(where)
    _refuse(data, ("examples",), where)
    return _jinja(data, tokenizer, base, where)


def _refuse(data: Data, settings: Sequence[str], where: str) -> None:
    for setting in settings:
        if getattr(data, setting):
            advice = "Use template: chat, or a Jinja text of your own that places it."
            name = data.template if data.template in ("r1_zero", "none") else "of your own"
            raise UserError(f"template {name} has no place for it", where=f"{where}.{setting}", advice=advice)


def row_prompt(row: Mapping[str, Any], place: str, where: str) -> str | tuple[Message, ...]:
    """The row's `prompt`: text, or messages (role and content, both text). Raises `UserError` for anything else."""
    if "prompt" not in row:
        advice = "Map one: `columns: {prompt: NAME}`, or a Jinja text such as `{prompt: '{{question}}'}`."
        raise missing_column("prompt", row, place, where=f"{where}.columns", advice=advice)
    return checked_turns(row["prompt"], "prompt", place, where)


def checked_turns(value: Any, column: str, place: str, where: str) -> str | tuple[Message, ...]:
    """`value` as text or as messages. Keys of a message that hold None (a table's empty cells) are left out."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Sequence) or not value:
        kind = "empty" if isinstance(value, Sequence) else type(value).__name__
        message = f"{place}: {column!r} is {kind}, expected text or a list of messages"
        raise UserError(message, where=f"{where}.columns.{column}")
    messages = []
    for number, message in enumerate(value):
        told = {key: part for key, part in message.items() if part is not None} if isinstance(message, Mapping) else {}
        if not isinstance(told.get("role"), str) or not isinstance(told.get("content"), str):
            text = f"{place}: message {number} of {column!r} needs `role` and `content`, both text; got {message!r:.80}"
            raise UserError(text, where=f"{where}.columns.{column}")
        messages.append(told)
    return tuple(messages)


def _chat(data: Data, tokenizer: Any, where: str) -> Template:
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            "the model's tokenizer has no chat template",
            where=f"{where}.template",
            advice="For a base model use template: r1_zero or none, or give a Jinja text of your own.",
        )

    shown: list[Message] = []
    for example in data.examples:
        shown += [{"role": "user", "content": example.prompt}, {"role": "assistant", "content": example.completion}]

    def apply(row: Mapping[str, Any], place: str) -> Rendered:
        prompt = row_prompt(row, place, where)
        messages: list[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        after_system = 1 if messages[0]["role"] == "system" else 0
        messages[after_system:after_system] = shown
        if data.system is not None:
            if messages[0]["role"] == "system":
                message = f"{place}: the prompt has a system message already"
                raise UserError(message, where=f"{where}.system", advice="Leave `system` out.")
            messages.insert(0, {"role": "system", "content": data.system})
        # A prompt that ends in the assistant's words is continued, not answered (TRL does the same).
        goes_on = messages[-1]["role"] == "assistant"
        text = tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=not goes_on,
            continue_final_message=goes_on,
            **data.chat_template_kwargs,
        )
        return Rendered(text, None if isinstance(prompt, str) else tuple(messages))

    return apply


def _none(where: str) -> Template:
    def apply(row: Mapping[str, Any], place: str) -> Rendered:
        prompt = row_prompt(row, place, where)
        if not isinstance(prompt, str):
            message = f"{place}: template none takes a prompt that is text, and this one is a list of messages"
            raise UserError(message, where=f"{where}.template", advice="Use template: chat or r1_zero.")
        return Rendered(prompt, None)

    return apply


def _r1_zero(where: str) -> Template:
    def apply(row: Mapping[str, Any], place: str) -> Rendered:
        prompt = row_prompt(row, place, where)
        turns: tuple[Message, ...] = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else prompt
        text = R1_ZERO
        for turn in turns:
            text += f"{turn['role'].capitalize()}: {turn['content']}\n"
        return Rendered(f"{text}Assistant:", None if isinstance(prompt, str) else turns)

    return apply


def _jinja(data: Data, tokenizer: Any, base: Path, where: str) -> Template:
    place_in_recipe = f"{where}.template"
    source, path = data.template, base / Path(data.template).expanduser()
    if not is_jinja(source):
        if not path.is_file():
            known = "chat, r1_zero, none, a .jinja file, or a Jinja text (with {{ }})"
            raise UserError(f"{source!r} is no template and no file", where=place_in_recipe, advice=f"Give {known}.")
        source = path.read_text(encoding="utf-8")
    template = compile_text(source, where=place_in_recipe)
    tokens = {name: getattr(tokenizer, name, None) or "" for name in ("bos_token", "eos_token")}
    settings = {**tokens, "system": data.system or "", **data.chat_template_kwargs}

    def apply(row: Mapping[str, Any], place: str) -> Rendered:
        prompt = row_prompt(row, place, where)
        messages = None if isinstance(prompt, str) else prompt
        turns = messages or ({"role": "user", "content": prompt},)
        text = render(template, {**settings, **row, "messages": turns}, where=place_in_recipe, place=place)
        return Rendered(text, messages)

    return apply
