import json
import subprocess
import sys
from importlib import metadata

import yaml

from grpo.report import environment


def test_a_launch_leaves_the_resolved_recipe_and_a_line(tmp_path):
    recipe = {"run_dir": "runs/ä", "model": {"path": "m"}, "stages": {"zero": {"kind": "rl"}, "a": {"kind": "rl"}}}
    environment.record_launch(tmp_path / "run", recipe, ["/usr/bin/grpo-train", "quickstart", "seed=1", "a b"])
    environment.record_launch(tmp_path / "run", recipe, ["grpo-train"])
    text = (tmp_path / "run" / "recipe.yaml").read_text()
    assert yaml.safe_load(text) == recipe and list(yaml.safe_load(text)["stages"]) == ["zero", "a"]
    first, second = map(json.loads, (tmp_path / "run" / "launches.jsonl").read_text().splitlines())
    assert first["command"] == "grpo-train quickstart seed=1 'a b'"
    assert first["packages"]["torch"] == metadata.version("torch")
    assert first["machine"]["cores"] >= 1
    assert second["command"] == "grpo-train"


def test_revision_of_a_checkout_and_of_none(tmp_path):
    def git(*arguments):
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *name, *arguments], check=True, capture_output=True)

    package = tmp_path / "package"
    package.mkdir()
    (package / "code.py").write_text("a = 1\n")
    assert environment.git_revision(package) is None
    git("init", "-q")
    assert environment.git_revision(package) is None, "a checkout that does not track the package says nothing of it"
    git("add", ".")
    git("commit", "-q", "-m", "first")
    recorded = environment.git_revision(package)
    assert recorded is not None and len(recorded["revision"]) == 40 and recorded["changed"] is False
    (package / "code.py").write_text("a = 2\n")
    assert environment.git_revision(package) == recorded | {"changed": True}


def test_describing_a_launch_imports_no_torch():
    code = "import sys; from grpo.report import environment as e; e.describe(['x']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
