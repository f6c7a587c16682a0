"""Jinja texts of a recipe, rendered in Jinja's sandbox: no way into Python, no writing, no undefined names.

render(compile_text("{{ Body }}. {{ Question }}", where=…), row, where=…)
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from grpo.errors import UserError

# What a template that is sound in itself can raise over a row's values: wrong types, a missing key, a division by zero.
_VALUE_ERRORS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


def is_jinja(text: str) -> bool:
    """True where a recipe's value is a Jinja text rather than a name."""
    return "{{" in text or "{%" in text


def compile_text(source: str, *, where: str) -> Template:
    """A template from its text; a `UserError` at `where` with Jinja's line number where the syntax is wrong."""
    try:
        return _environment().from_string(source)
    except TemplateSyntaxError as error:
        raise UserError(f"not a Jinja text (line {error.lineno}): {error.message}", where=where) from error


def render(template: Template, variables: Mapping[str, Any], *, where: str, place: str) -> str:
    """The text for one row. `place` names the row in errors; undefined names list the ones there are."""
    try:
        return template.render(variables)
    except UndefinedError as error:
        known = ", ".join(sorted(variables)) or "none"
        raise UserError(f"{place}: {error.message}", where=where, advice=f"Known here: {known}.") from error
    except (TemplateError, *_VALUE_ERRORS) as error:
        raise UserError(f"{place}: the Jinja text failed: {type(error).__name__}: {error}", where=where) from error


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
