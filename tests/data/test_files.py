"""Local files: what reads, and the message for each way of being broken."""

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from grpo.data.files import read_file
from grpo.errors import UserError

ROWS = [{"prompt": "1+1=", "solution": "2"}, {"prompt": "2+2=", "solution": "4"}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    paths = [
        write(tmp_path / "a.jsonl", LINES),
        write(tmp_path / "b.jsonl", "\ufeff" + LINES.replace("\n", "\r\n\r\n")),
        write(tmp_path / "a.json", json.dumps(ROWS)),
        write(tmp_path / "a.csv", 'prompt,solution\r\n"1+1=",2\r\n2+2=,4\r\n'),
        tmp_path / "a.parquet",
        tmp_path / "a.jsonl.gz",
    ]
    for path in paths:
        assert list(read_file(path, where="data.source")) == ROWS, path.name


def test_csv_values_stay_text(tmp_path: Path) -> None:
    assert read_file(write(tmp_path / "a.csv", "solution\n007\n"), where="s")[0] == {"solution": "007"}


BROKEN = {
    "a.jsonl": [
        (LINES + '{"prompt": \n', "line 3: not JSON"),
        (LINES + "[1, 2]\n", "line 3: expected an object, got list"),
    ],
    "a.json": [
        (LINES, "line 2: not JSON: Extra data"),
        ('{"data": []}', "holds one dict, expected an array of objects"),
        ('[{"a": 1}, 2]', "row 1 (counted from 0): expected an object, got int"),
    ],
    "a.csv": [
        ("a,b\n1,2\n1\n", "line 3: not as many values as the header has columns"),
        ("a,b\n1,2,3\n", "line 2: not as many values as the header has columns"),
        ('a,b\n1,"2\n', "not CSV"),
    ],
    "a.parquet": [("not parquet at all", "is not a Parquet file")],
    "a.jsonl.gz": [("not gzip", "is not a whole gzip file")],
}


@pytest.mark.parametrize(("name", "text", "message"), [(n, t, m) for n, cases in BROKEN.items() for t, m in cases])
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_file(write(tmp_path / name, text), where="stages.zero.data.source")
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert caught.value.where == "stages.zero.data.source"


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"a": "\xff"}\n')
    with pytest.raises(UserError, match=r"a\.jsonl is not UTF-8 text \(byte 7\)"):
        read_file(tmp_path / "a.jsonl", where="s")


def test_a_missing_file_lists_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", LINES)
    with pytest.raises(UserError) as caught:
        read_file(tmp_path / "trian.jsonl", where="s")
    assert "there is no file" in str(caught.value) and "train.jsonl" in str(caught.value)
    with pytest.raises(UserError, match="There is no folder"):
        read_file(tmp_path / "nowhere" / "a.jsonl", where="s")


def test_json_lines_named_json_say_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"name it \.jsonl"):
        read_file(write(tmp_path / "a.json", LINES), where="s")
