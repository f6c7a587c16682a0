"""YAML as recipes use it: the core schema of YAML 1.2, and every key with its line.

PyYAML reads YAML 1.1, in which `mode: off` is False, `learning_rate: 1e-6` is text, `rows: 1:30` is the number 90, and
the second of two equal keys silently wins. None of that belongs in a file that decides a training run.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from grpo.errors import UserError

KeyPath = tuple[str | int, ...]

_CORE = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
    ("merge", r"^<<$", ["<"]),
)
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.1 or the core schema would read as something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _name, _pattern, _first in _CORE:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)
    _Dumper.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Line breaks that are not "\n" survive in double quotes only.
    style = '"' if any(mark in text for mark in "\r\x85\u2028\u2029") else "|" if "\n" in text else None
    return dumper.represent_scalar(_TAG + "str", text, style=style)


_Loader.add_constructor(_TAG + "int", _construct_int)
_Dumper.add_representer(str, _represent_text)


@dataclass(frozen=True)
class Document:
    """A parsed text. lines: key path → line, counted from 1."""

    value: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)


def read_yaml(text: str, source: str) -> Document:
    """Parses one document. Raises UserError naming `source` and the line for a syntax error, a key given twice, a key
    that is not text, or a tag."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        document = Document(None)
        if node is None:
            return document
        _refuse_repeated_keys(loader, node, source, [])
        value = _build(loader, node, (), document.lines, source, [])
        return Document(value, document.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        context = f" ({error.context}, line {error.context_mark.line + 1})" if error.context_mark else ""
        advice = "Indent with spaces, not tabs." if "'\\t'" in str(error.problem) else None
        raise UserError(
            f"not valid YAML: {error.problem}{context}", where=f"{source}, line {line}", advice=advice
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(
            f"not valid YAML: the character U+{error.character:04X} is not allowed", where=f"{source}, line {line}"
        ) from None
    except ValueError as error:  # a number too long, a base64 that is none: from the constructors of scalars
        raise UserError(f"not valid YAML: {error}", where=source) from None


def write_yaml(value: Any) -> str:
    """The value as a YAML block that `read_yaml` reads back equal."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _build(
    loader: yaml.SafeLoader,
    node: yaml.Node,
    path: KeyPath,
    lines: dict[KeyPath, int],
    source: str,
    open_nodes: list[yaml.Node],
) -> Any:
    where = f"{source}, line {node.start_mark.line + 1}"
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_object(node)
    if any(node is opened for opened in open_nodes):
        raise UserError("an anchor refers to itself", where=where)
    if node.tag not in (_TAG + "map", _TAG + "seq"):
        raise UserError(f"the tag {node.tag} is not allowed here", where=where)
    open_nodes = [*open_nodes, node]
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, (*path, i), lines, source, open_nodes) for i, item in enumerate(node.value)]
    assert isinstance(node, yaml.MappingNode)
    loader.flatten_mapping(node)  # `<<`: merged keys come first, so that the mapping's own keys win
    built: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _key(loader, key_node, source)
        lines[(*path, key)] = key_node.start_mark.line + 1
        built[key] = _build(loader, value_node, (*path, key), lines, source, open_nodes)
    return built


def _key(loader: yaml.SafeLoader, node: yaml.Node, source: str) -> str:
    key = loader.construct_object(node) if isinstance(node, yaml.ScalarNode) else None
    if isinstance(key, str):
        return key
    shown = f"`{node.value}`" if isinstance(node, yaml.ScalarNode) else "a mapping or list"
    raise UserError(
        f"a key must be text, got {shown}",
        where=f"{source}, line {node.start_mark.line + 1}",
        advice="Quote it; a value that begins with `{` (Jinja text such as `{{ question }}`) must be quoted too.",
    )


def _refuse_repeated_keys(loader: yaml.SafeLoader, node: yaml.Node, source: str, seen: list[yaml.Node]) -> None:
    """In the whole document, before `<<` is resolved: that writes merged keys beside a mapping's own. seen: nodes that
    were looked at; an anchor comes by more than once."""
    if isinstance(node, yaml.ScalarNode) or any(node is other for other in seen):
        return
    seen.append(node)
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(loader, item, source, seen)
        return
    assert isinstance(node, yaml.MappingNode)
    first_line: dict[str, int] = {}
    for key_node, value_node in node.value:
        _refuse_repeated_keys(loader, value_node, source, seen)
        line = key_node.start_mark.line + 1
        if key_node.tag == _TAG + "merge":
            continue
        key = _key(loader, key_node, source)
        if key in first_line:
            raise UserError(f"`{key}` is given twice (first on line {first_line[key]})", where=f"{source}, line {line}")
        first_line[key] = line
