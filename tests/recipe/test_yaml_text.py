"""The core schema of YAML 1.2, lines of keys, and what is refused."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grpo.errors import UserError
from grpo.recipe.yaml_text import read_yaml, write_yaml

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
SURPRISES = st.sampled_from(
    ["off", "yes", "1:30", "1e-6", "~", "null", "0o17", "010", "<<", "1_000", ".inf", "2026-01-02"]
)
VALUES = st.recursive(
    SCALARS | SURPRISES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | SURPRISES, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("1e-6", 1e-6),
        ("1.0e-06", 1e-6),
        (".5", 0.5),
        ("0:700", "0:700"),
        ("1:30", "1:30"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-3", -3),
        ("~", None),
        ("True", True),
        ("2026-01-02", "2026-01-02"),
        ("'12'", "12"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    read = read_yaml(text, "f").value
    assert (read, type(read)) == (value, type(value))


@given(VALUES)
def test_what_is_written_is_read_back(value):
    assert read_yaml(write_yaml(value), "f").value == value


@given(st.text(max_size=20) | SURPRISES)
def test_text_stays_text_for_readers_of_yaml_1_1_too(text):
    assert yaml.safe_load(write_yaml({"a": text})) == {"a": text}


def test_lines_of_keys_and_list_entries():
    document = read_yaml("a: 1\nb:\n  c: [x,\n    y]\n  d:\n  - e: 2\n", "f")
    lines = {(): 1, ("a",): 1, ("b",): 2, ("b", "c"): 3, ("b", "c", 0): 3, ("b", "c", 1): 4, ("b", "d"): 5}
    assert document.lines == lines | {("b", "d", 0): 6, ("b", "d", 0, "e"): 6}


def test_anchors_and_merge_keys():
    document = read_yaml("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n", "f")
    assert document.value == {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a: 1\nb: [1, 2\n", "f, line 3", "expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", "f, line 2", "cannot start any token"),
        ("a: 1\nb: 2\na: 3\n", "f, line 3", "`a` is given twice (first on line 1)"),
        ("a: 1\n3: 2\n", "f, line 2", "a key must be text, got `3`"),
        ("p: {{ question }}\n", "f, line 1", "a key must be text, got a mapping or list"),
        ("a: !!python/name:os.system x\n", "f, line 1", "could not determine a constructor"),
        ("a: !mine {b: 1}\n", "f, line 1", "the tag !mine is not allowed here"),
        ("a: &x [*x]\n", "f, line 1", "an anchor refers to itself"),
        ("a: 1\n---\nb: 2\n", "f, line 2", "but found another document"),
        ("a: 1\nb: \x07", "f, line 2", "the character U+0007 is not allowed"),
    ],
)
def test_mistakes_name_the_line(text, where, message):
    with pytest.raises(UserError) as caught:
        read_yaml(text, "f")
    assert caught.value.where == where
    assert message in str(caught.value)


def test_tabs_get_advice():
    with pytest.raises(UserError, match="Indent with spaces, not tabs"):
        read_yaml("a: 1\n\tb: 2\n", "f")
