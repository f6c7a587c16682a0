"""`key=value` on the command line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.errors import UserError
from grpo.recipe.tree import Place, Tree, leaves, override, parse_override
from grpo.recipe.yaml_text import write_yaml

KEYS = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS
# JSON writes characters beyond the basic plane as pairs, which YAML reads as two.
TYPED = SCALARS | st.text(alphabet=st.characters(max_codepoint=126))


def nested(scalars):
    def grow(inner):
        return st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)

    return st.recursive(scalars, grow, max_leaves=6)


VALUES = nested(TYPED)
PATHS = st.lists(KEYS | st.integers(0, 9), min_size=1, max_size=4).filter(lambda path: isinstance(path[0], str))
PAIRS = st.lists(KEYS.filter(lambda key: key not in ("stages", "extends", "model")), min_size=2, max_size=2)
TREES = st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers() | st.lists(st.integers()), max_size=3), max_size=3)


def at(value, path):
    for part in path:
        value = value[part]
    return value


@given(PATHS, VALUES)
def test_an_override_is_read_as_it_was_written_in_json(path, value):
    text = ".".join(map(str, path)) + "=" + json.dumps(value)
    assert parse_override(text) == (tuple(path), value)


@given(PATHS, nested(SCALARS | st.text()))
def test_an_override_is_read_as_it_was_written_in_yaml(path, value):
    text = ".".join(map(str, path)) + "=" + write_yaml(value)
    assert parse_override(text) == (tuple(path), value)


@given(TREES, PAIRS, VALUES)
def test_an_override_sets_its_key_and_no_other(value, path, new):
    before = json.loads(json.dumps(value))
    tree = Tree(value, {(): Place("f, line 1", Path("/"))})
    after = override(tree, f"{path[0]}.{path[1]}={json.dumps(new)}")
    assert at(after.value, path) == new
    assert value == before
    others = [(key, leaf) for key, leaf in leaves(before) if list(key[:2]) != path]
    assert others == [(key, leaf) for key, leaf in leaves(after.value) if list(key[:2]) != path]
    assert after.place(tuple(path)).label.startswith("command line: ")


def test_an_override_into_a_list_and_into_a_text_that_stands_for_a_mapping():
    tree = Tree({"model": "org/m", "stages": {"zero": {"rewards": ["math", {"use": "format"}]}}}, {})
    tree = override(override(tree, "model.dtype=float32"), "stages.zero.rewards.0.weight=0.5")
    assert tree.value["model"] == {"path": "org/m", "dtype": "float32"}
    assert tree.value["stages"]["zero"]["rewards"] == [{"use": "math", "weight": 0.5}, {"use": "format"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps", "'steps' is not an override"),
        ("=3", "'=3' is not an override"),
        ("a..b=3", "'a..b=3' is not an override"),
        ("stages.zer.steps=3", "no stage 'zer' (stages of this recipe: zero)\nDid you mean stages.zero?"),
        ("stages.zero.rewards.5=math", "stages.zero.rewards is a list of 1: give a position from 0"),
        ("stages.zero.rewards.math=1", "stages.zero.rewards is a list of 1: give a position from 0"),
        ("seed.x=1", "seed is 3, it has no key 'x'"),
        ("extends=other", "`extends` belongs in a file"),
        ("seed=[1", "the value of this override is not valid YAML"),
    ],
)
def test_mistakes(text, message):
    tree = Tree({"seed": 3, "stages": {"zero": {"rewards": ["math"]}}}, {})
    with pytest.raises(UserError) as caught:
        override(tree, text)
    assert message in str(caught.value)
    assert text in str(caught.value)
