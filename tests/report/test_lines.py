import json

import numpy
import pytest

from grpo.errors import UserError
from grpo.report import lines


def test_a_line_is_sorted_and_floats_are_their_shortest_text():
    assert lines.encode({"step": 3, "b": 0.1, "a": 1e-7}) == b'{"a": 1e-07, "b": 0.1, "step": 3}\n'


def test_numbers_of_other_libraries_and_what_json_lacks():
    entry = {"a": numpy.float32(0.5), "b": numpy.int64(3), "c": float("nan"), "d": float("-inf"), "e": (True, None)}
    assert json.loads(lines.encode(entry)) == {"a": 0.5, "b": 3, "c": None, "d": "-inf", "e": [True, None]}


def test_an_object_does_not_belong_in_a_record():
    with pytest.raises(TypeError, match="object does not belong"):
        lines.encode({"a": object()})


def test_keep_until_drops_later_lines_and_a_last_line_cut_short(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for step in (0, 1, 2, 3):
        lines.append(path, {"step": step, "reward": step / 10})
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"reward": 0.4, "st')
    lines.keep_until(path, 3)
    assert path.read_bytes() == whole
    lines.keep_until(path, 1)
    assert [entry["step"] for entry in lines.read(path)] == [0, 1]
    lines.keep_until(path, -1)
    assert path.read_bytes() == b""


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl: line 2 is not JSON"):
        lines.read(path)


def test_no_file_has_no_lines(tmp_path):
    lines.keep_until(tmp_path / "none.jsonl", 5)
    assert lines.read(tmp_path / "none.jsonl") == []
    assert not (tmp_path / "none.jsonl").exists()
