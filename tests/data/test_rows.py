"""Sources, slices and column mapping."""

import json
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest

from grpo.data.rows import load_rows, rows_from
from grpo.errors import UserError
from grpo.recipe.fields import Data

WHERE = "stages.zero.data"
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data beside the checkout")


def load(base: Path, source: str, **fields: Any):
    return load_rows(Data(source=source, **fields), base=base, where=WHERE, seed=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"question": f"q{i}", "answer": str(i), "kind": "x"} for i in range(10)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_name_renames_and_jinja_adds(folder: Path) -> None:
    rows = load(folder, "a.jsonl", columns={"prompt": "Q: {{ question }} ({{ answer|int + 1 }})", "solution": "answer"})
    assert rows[3] == {"prompt": "Q: q3 (4)", "solution": "3", "question": "q3", "kind": "x"}


def test_answer_is_understood_as_the_reference(folder: Path) -> None:
    rows = load(folder, "a.jsonl", columns={"prompt": "question"})
    assert rows[3] == {"prompt": "q3", "solution": "3", "answer": "3", "kind": "x"}


@pytest.mark.parametrize(("text", "kept"), [("2:5", [2, 3, 4]), (":2", [0, 1]), ("8:", [8, 9]), (":", list(range(10)))])
@pytest.mark.parametrize("as_dataset", [False, True])
def test_slices_and_places(folder: Path, text: str, kept: list[int], as_dataset: bool) -> None:
    data = Data(source="a.jsonl", rows=text)
    rows = load_rows(data, base=folder, where=WHERE, seed=0)
    if as_dataset:
        whole = list(load_rows(Data(source="a.jsonl"), base=folder, where=WHERE, seed=0))
        rows = rows_from(datasets.Dataset.from_list(whole), data, where=WHERE)
    assert [row["question"] for row in rows] == [f"q{i}" for i in kept]
    assert rows[-1] == rows[len(rows) - 1] and len(rows) == len(kept)
    assert rows.place(0).endswith(f"row {kept[0]} (counted from 0)")


@pytest.mark.parametrize("text", ["0:11", "10:", "5:5", "6:2"])
def test_a_slice_that_does_not_fit_fails(folder: Path, text: str) -> None:
    with pytest.raises(UserError, match=rf"rows: the slice {text} does not fit: a.jsonl has 10 rows"):
        load(folder, "a.jsonl", rows=text)


def test_a_missing_column_names_row_columns_and_the_nearest(folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(folder, "a.jsonl", columns={"prompt": "Questoin"}, rows="4:")
    assert str(caught.value) == (
        f"{WHERE}.columns.prompt: a.jsonl, row 4 (counted from 0) has no column 'Questoin'\n"
        "Columns there: question, answer, kind. Did you mean 'question'?"
    )


def test_a_row_that_lacks_a_column_is_named(folder: Path) -> None:
    with (folder / "a.jsonl").open("a") as file:
        file.write('{"question": "q10"}\n')
    rows = load(folder, "a.jsonl", columns={"solution": "answer"})
    with pytest.raises(UserError, match=r"a\.jsonl, row 10 \(counted from 0\) has no column 'answer'"):
        list(rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ nothing }}", "'nothing' is undefined\nKnown here: answer, kind, question."),
        ("{{ question.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ question.__init__.__globals__ }}", "unsafe"),
        ("{{ cycler.__init__.__globals__.os.system('true') }}", "unsafe"),
        ("{{ question + 1 }}", "the Jinja text failed: TypeError"),
        ("{{ 1 // 0 }}", "the Jinja text failed: ZeroDivisionError"),
        ("{{ question", "not a Jinja text (line 1)"),
    ],
)
def test_jinja_is_sandboxed_and_says_what_is_wrong(folder: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(folder, "a.jsonl", columns={"prompt": text})
    assert message in str(caught.value)
    assert caught.value.where == f"{WHERE}.columns.prompt"


def test_a_file_loads_under_a_name_of_its_own(folder: Path) -> None:
    (folder / "rewards.py").write_text(
        "def rows(n, split, seed=7):\n    return [{'prompt': f'{split}{seed}{i}'} for i in range(n)]\nNUMBER = 3\n"
    )
    before = sys.modules.get("rewards")
    rows = load(folder, "rewards.py:rows", options={"n": 2}, split="test")
    assert [row["prompt"] for row in rows] == ["test00", "test01"]
    assert sys.modules.get("rewards") is before
    with pytest.raises(UserError, match=r"missing a required argument: 'n'\nThe function is called as rows\(n, split"):
        load(folder, "rewards.py:rows")
    with pytest.raises(UserError, match="has no 'row'\nCallables there: rows"):
        load(folder, "rewards.py:row")
    with pytest.raises(UserError, match="is a int, expected a function"):
        load(folder, "rewards.py:NUMBER")
    with pytest.raises(UserError, match="there is no file"):
        load(folder, "other.py:rows")


def test_an_importable_callable_and_a_missing_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "own_rows_module.py").write_text("def rows():\n    yield {'prompt': 'p'}\n\ndef bad():\n    return [1]\n")
    (folder / "own_needs_more.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(folder))
    assert load(folder, "own_rows_module:rows")[0] == {"prompt": "p"}
    with pytest.raises(UserError, match="row 0 .counted from 0.: expected a dict, got int"):
        load(folder, "own_rows_module:bad")
    with pytest.raises(UserError, match="there is no module 'no_such_module'"):
        load(folder, "no_such_module:rows")
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there"):
        load(folder, "own_needs_more:rows")


def test_a_folder_that_datasets_saved(folder: Path) -> None:
    datasets.Dataset.from_list([{"prompt": "p", "solution": "s"}]).save_to_disk(folder / "saved")
    assert list(load(folder, "saved")) == [{"prompt": "p", "solution": "s"}]
    both = datasets.DatasetDict({"train": datasets.Dataset.from_list([{"prompt": "p"}])})
    both.save_to_disk(folder / "both")
    assert list(load(folder, "both")) == [{"prompt": "p"}]
    with pytest.raises(UserError, match=r"data\.split: .* has no split 'test' \(it has train\)"):
        load(folder, "both", split="test")


@pytest.mark.parametrize("error", [ConnectionError("no route"), OSError("timed out")])
def test_a_hub_out_of_reach_gives_advice(folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(UserError) as caught:
        load(folder, "openai/gsm8k", name="main")
    assert "'openai/gsm8k' could not be fetched from the hub" in str(caught.value)
    assert "A local copy works too" in str(caught.value)


def test_an_unknown_split_of_the_hub_is_passed_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError('Unknown split "dev". Should be one of ["train", "test"].')

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(UserError, match="could not be opened: Unknown split"):
        load(folder, "openai/gsm8k", split="dev")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "b.jsonl"}, "there is no file"),
        ({"source": "./nothing"}, "is no folder and no data file"),
        ({"source": "notes.txt/a/b"}, "is no folder and no data file"),
        ({"source": "a.jsonl", "options": {"level": 2}}, "a.jsonl takes no options"),
        (
            {"source": "task:aritmetic"},
            "there is no task 'aritmetic'\nKnown tasks: arithmetic, countdown, comparison. Did you",
        ),
        ({"source": "task:arithmetic", "options": {"lvl": 2}}, "has no option 'lvl'"),
        ({"source": "task:arithmetic", "options": {"level": 9}}, "levels go from 1 to 5, got 9"),
        ({"source": "task:arithmetic", "options": {"split": "test"}}, "the split is `split` of the data"),
        ({"source": "task:arithmetic", "options": {"error_rate": 0.1}}, "set solutions: true"),
        ({"source": "task:arithmetic", "options": {"error_rate": 2, "solutions": True}}, "error_rate is a share"),
        ({"source": "task:arithmetic", "split": "dev"}, "has the splits train and test, not 'dev'"),
        ({"source": "empty.jsonl"}, "empty.jsonl holds no rows"),
    ],
)
def test_sources_that_do_not_open(folder: Path, fields: dict[str, Any], message: str) -> None:
    (folder / "empty.jsonl").write_text("")
    with pytest.raises(UserError) as caught:
        load(folder, **fields)
    assert message in str(caught.value) and str(caught.value).startswith(WHERE)


def test_a_split_without_effect_is_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "own.py").write_text("def rows():\n    return [{'prompt': 'p'}]\n")
    load(folder, "a.jsonl", split="test", name="main")
    load(folder, "own.py:rows", split="test")
    assert [record.getMessage() for record in caplog.records] == [
        f"{WHERE}.name: 'main' has no effect on a.jsonl: a file has no parts, `rows` takes a slice of it",
        f"{WHERE}.split: 'test' has no effect on a.jsonl: a file has no parts, `rows` takes a slice of it",
        f"{WHERE}.split: 'test' has no effect on own.py:rows: the function takes no argument `split`",
    ]


@needs_shared
def test_gsm8k_and_svamp_load() -> None:
    gsm8k = load(SHARED, "gsm8k/train.jsonl", columns={"prompt": "question"})
    assert len(gsm8k) == 7473 and gsm8k[0]["solution"].endswith("#### 72")
    svamp = load(
        SHARED,
        "svamp/svamp.jsonl",
        rows="700:1000",
        columns={"prompt": "{{Body|trim('.')}}. {{Question}}", "solution": "Answer"},
    )
    assert len(list(svamp)) == 300 and isinstance(svamp[0]["solution"], float)
    assert svamp[0]["prompt"].endswith("?")
