import json
from pathlib import Path

import pytest

from grpo.training.checkpoints import fault, newest_whole, prune, seal, whole, write_checkpoint


def write(text: str):
    return lambda folder: (folder / "weights.bin").write_text(text)


def test_the_newest_whole_one_is_taken(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 3, write("three"), {"best": None})
    write_checkpoint(tmp_path, 6, write("six"), {"best": [0.5, 6]})
    checkpoint = newest_whole(tmp_path)
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.extra["best"]) == (6, [0.5, 6])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "weights.bin").write_text("si"), "2 bytes instead of 3"),
        (lambda folder: (folder / "weights.bin").write_text("sux"), "checksum"),
        (lambda folder: (folder / "weights.bin").unlink(), "is missing"),
        (lambda folder: next(folder.glob("manifest*")).write_text("{"), "unreadable"),
    ],
)
def test_a_broken_one_is_named_and_passed_over(tmp_path: Path, caplog, damage, reason: str) -> None:
    write_checkpoint(tmp_path, 3, write("three"), {})
    damage(write_checkpoint(tmp_path, 6, write("six"), {}))
    checkpoint = newest_whole(tmp_path)
    assert checkpoint is not None and checkpoint.step == 3
    assert reason in caplog.text and "000006" in caplog.text


def test_a_writer_that_dies_leaves_the_previous_one_newest(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 3, write("three"), {})

    def dying(folder: Path) -> None:
        write("half")(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(tmp_path, 6, dying, {})
    checkpoint = newest_whole(tmp_path)
    assert checkpoint is not None and checkpoint.step == 3
    write_checkpoint(tmp_path, 6, write("six"), {})  # and its leftovers are in nobody's way
    assert newest_whole(tmp_path).step == 6  # type: ignore[union-attr]


def test_pruning_keeps_the_last_and_the_best(tmp_path: Path) -> None:
    for step in range(1, 7):
        write_checkpoint(tmp_path, step, write(str(step)), {})
    prune(tmp_path, 2, best_step=3)
    kept = sorted(int(path.name.rsplit("-", 1)[-1].rsplit("_", 1)[-1]) for path in tmp_path.iterdir())
    assert kept == [3, 5, 6]


def test_a_folder_is_whole_once_it_is_sealed(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    assert not whole(tmp_path)
    seal(tmp_path)
    assert whole(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"abd")
    assert fault(tmp_path) is not None
    assert json.loads(next(tmp_path.glob("manifest*")).read_text())["files"]["a.bin"]["bytes"] == 3
