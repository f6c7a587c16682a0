"""The direction of imports, held by import-linter's contracts in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_imports_point_one_way():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert "5 kept, 0 broken" in done.stdout


def test_an_import_against_the_direction_is_found(tmp_path):
    for package in ("grpo", "rewards"):
        (tmp_path / package).symlink_to(ROOT / package)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "rewards").unlink()
    (tmp_path / "rewards").mkdir()
    for source in (ROOT / "rewards").rglob("*.py"):
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text())
    with open(tmp_path / "rewards" / "verdict.py", "a") as file:
        file.write("\nimport torch  # noqa\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "rewards stand alone, so that other trainers can use them BROKEN" in done.stdout
