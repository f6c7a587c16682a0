"""`import rewards` means our package, also for a script that has a `rewards.py` of its own beside it.

Python puts a script's folder first on the path, so without this a user's file of that name would be taken for the
package beside `grpo`, and nothing of grpo could be imported. The user's file stays usable: `rewards.py:function` in a
recipe, or its functions imported before grpo under another module name.
"""

import importlib.util
import sys
from pathlib import Path


def pin() -> None:
    """Load the `rewards` package that lies beside `grpo`. Raises ImportError where another one was loaded first."""
    init = Path(__file__).resolve().parent.parent / "rewards" / "__init__.py"
    loaded = sys.modules.get("rewards")
    if loaded is not None:
        if not hasattr(loaded, "__path__"):
            raise ImportError(
                f"`rewards` is {loaded.__file__}, loaded before grpo, whose own package has that name: "
                "rename the file, or import grpo first and give the reward as 'rewards.py:function'"
            )
        return
    spec = importlib.util.spec_from_file_location("rewards", init, submodule_search_locations=[str(init.parent)])
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["rewards"] = package
    spec.loader.exec_module(package)
