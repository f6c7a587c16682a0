"""A wheel carries both packages and the recipes, and works where it is installed."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import grpo

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command: str | Path, cwd: Path) -> str:
    # The checkout must not be importable by accident.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel made from it, as they would be published."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


def files_of(package: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_packages_and_the_recipes(built):
    wheel = zipfile.ZipFile(next(built.glob("*.whl")))
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    recipes = {name.replace("recipes/", "grpo/shipped_recipes/", 1) for name in files_of("recipes")}
    assert names == files_of("grpo") | files_of("rewards") | recipes
    assert "grpo/shipped_recipes/quickstart.yaml" in names
    metadata = wheel.read(f"grpo-{grpo.__version__}.dist-info/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert wheel.read(f"grpo-{grpo.__version__}.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_the_source_archive_can_be_tested(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "constraints-cpu.txt", "tests/test_packaging.py", "examples/custom_reward.yaml"} <= names


def test_every_dependency_has_both_bounds():
    extras = [requirement for name in ("vllm", "tensorboard", "wandb", "trackio")
              for requirement in PROJECT["optional-dependencies"][name]]  # fmt: skip
    for requirement in [*PROJECT["dependencies"], *extras]:
        assert ">=" in requirement and ",<" in requirement, requirement


@pytest.mark.slow
def test_an_installed_wheel_finds_the_recipe_by_name_and_trains(built, tmp_path):
    place = tmp_path / "elsewhere"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-deps", next(built.glob("*.whl")), cwd=tmp_path)
    # The dependencies are this environment's: a plain path entry, so that its editable install of grpo is not followed.
    libraries = sysconfig.get_paths()["purelib"]
    ask = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site_packages = Path(run(python, "-c", ask, cwd=tmp_path).strip())
    (site_packages / "dependencies.pth").write_text(libraries + "\n")
    assert str(place) in run(python, "-c", "import grpo; print(grpo.__file__)", cwd=tmp_path)

    plan = run(place / "bin" / "grpo-train", "quickstart", "--dry-run", cwd=tmp_path)
    assert "warm_start" in plan and "zero" in plan
    small = (
        "stages.warm_start.steps=2", "stages.warm_start.data.options.count=64", "stages.zero.steps=1",
        "stages.zero.evaluate.data.options.count=8", "stages.zero.rollout.engine=transformers",
    )  # fmt: skip
    run(place / "bin" / "grpo-train", "quickstart", *small, cwd=tmp_path)
    assert (tmp_path / "runs" / "quickstart" / "zero" / "final" / "model.safetensors").exists()
