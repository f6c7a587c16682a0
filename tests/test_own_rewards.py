"""A user's rewards.py beside the script, in the current folder, or imported first."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MINE = "def reward(completions, **kwargs):\n    return [float(len(c)) for c in completions]\n"
SCRIPT = """
import sys
sys.path.append(sys.argv[1])
from pathlib import Path
from grpo.recipe.fields import Reward
from grpo.records import Completion, Prompt
from grpo.scoring import Scorer

scorer = Scorer([Reward(use="rewards.py:reward"), Reward(use="math")], 1, Path("."))
scorer.begin([Prompt("p", "q", (1,), {"solution": "4"})])
scorer.submit(Completion("p", 0, (1,), (0.0,), "so 4", "stop", 0))
print({label: verdict.score for label, verdict in scorer.finish()[0].verdicts[0].items()})
scorer.close()
"""


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    (folder / "rewards.py").write_text(MINE)
    (folder / "train.py").write_text(script)
    command = [sys.executable, "train.py", str(ROOT)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_script_with_a_rewards_py_beside_it_trains_with_both(tmp_path: Path) -> None:
    result = run(tmp_path, SCRIPT)
    assert result.stdout == "{'reward': 4.0, 'math': 1.0}\n", result.stderr


def test_a_rewards_py_imported_before_grpo_is_told_what_to_do(tmp_path: Path) -> None:
    result = run(tmp_path, "import rewards\n" + SCRIPT)
    assert result.returncode == 1 and "rename the file, or import grpo first" in result.stderr
