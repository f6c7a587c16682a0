"""`grpo-train RECIPE [key=value …]`: print the plan, check everything that can be checked, then run.

Nothing heavy is imported before the plan is on the screen. Exit codes: 0 done, 2 a mistake to mend (the recipe, a file,
a package), 3 a guard stopped the run, 130 interrupted.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from grpo import __version__
from grpo.errors import GuardError, UserError
from grpo.recipe.estimate_text import format_estimates
from grpo.recipe.load import LoadedRecipe, load_recipe
from grpo.recipe.plan_text import format_plan, plan_additions
from grpo.recipe.shipped import shipped_recipes

EXIT_MISTAKE, EXIT_GUARD, EXIT_INTERRUPTED = 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """The command. Returns its exit code."""
    arguments = _parser().parse_intermixed_args(argv)
    _log_to_stderr()
    _wait_politely()
    try:
        loaded = load_recipe(arguments.recipe, arguments.override)
        if arguments.plan:
            plan(loaded, arguments.begin)
        elif arguments.dry_run:
            dry_run(loaded, arguments.begin)
        else:
            train(loaded, arguments.begin)
    except UserError as error:
        print(f"grpo-train: {error}", file=sys.stderr)
        return EXIT_MISTAKE
    except GuardError as error:
        print(f"grpo-train: stopped by a guard: {error}", file=sys.stderr)
        return EXIT_GUARD
    except KeyboardInterrupt:
        print("grpo-train: interrupted; the same command goes on from the newest checkpoint", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def dry_run(loaded: LoadedRecipe, begin: str | None) -> None:
    """Resolved recipe and plan at once, then a pass through the data, then estimates. Writes and trains nothing."""
    print(f"# {loaded.path}, resolved")
    print(loaded.resolved_yaml())
    print(format_plan(loaded.recipe), flush=True)
    _check(loaded, begin)
    print("\nThe recipe is fine. Nothing was trained (--dry-run).")


def plan(loaded: LoadedRecipe, begin: str | None) -> None:
    """The stages, which of them would run, and why. Reads the run folder and writes nothing."""
    from grpo.pipeline.intents import format_intents, intents

    print(format_intents(intents(loaded, begin)))


def train(loaded: LoadedRecipe, begin: str | None) -> None:
    """Plan, checks, and every stage that is not done yet."""
    if _is_main_process():
        print(format_plan(loaded.recipe), flush=True)
        _check(loaded, begin)
        print(flush=True)
    from grpo.pipeline.run import run_recipe
    from grpo.pipeline.table import table

    results = run_recipe(loaded, begin=begin)
    if not _is_main_process():
        return
    for name, result in results.items():
        for line in result.lines:
            print(line)
        for what, place in (("policy", result.policy_path), ("rows", result.data_path)):
            if place:
                print(f"{name}: {what} in {place}")
    if figures := table(loaded.recipe.stages, results):
        print(f"\n{figures}", end="")


def _check(loaded: LoadedRecipe, begin: str | None) -> None:
    from grpo.pipeline.preflight import preflight

    print("\nchecking data, rewards and lengths (no model is loaded) …", flush=True)
    report = preflight(loaded, progress=True, begin=begin)
    for line in report.lines:
        print(f"  {line}")
    if report.sizes:
        print(f"\nwith the data's sizes:\n{plan_additions(loaded.recipe, report.sizes)}")
    print(f"\n{format_estimates(loaded.recipe, loaded.base, report.sizes)}", flush=True)


def _is_main_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _wait_politely() -> None:
    """OpenMP's threads sleep at a barrier instead of spinning. Two libraries (torch, vLLM) share the cores here, and
    where another process does too, a spinning thread holds the core that the awaited one needs: a step on two busy
    cores took 24 s instead of 5 s. Read by the OpenMP runtime once, when torch is imported."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Once())
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("grpo").setLevel(logging.INFO if _is_main_process() else logging.WARNING)


class _Once(logging.Filter):
    """Our own warnings are said once: what is checked before the run is read again by its stages."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != "grpo" or record.levelno != logging.WARNING:
            return True
        message = record.getMessage()
        known = message in self._said
        self._said.add(message)
        return not known


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grpo-train",
        description="Run a recipe: from a model, data and rewards to a trained policy. A run that was stopped goes on "
        "when it is started again with the same recipe.",
        epilog=f"Shipped recipes: {', '.join(shipped_recipes())}.",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a YAML file, or the name of a shipped recipe")
    parser.add_argument(
        "override",
        metavar="key=value",
        nargs="*",
        help="change a key of the recipe, such as stages.zero.learning_rate=1e-6 or run_dir=out/a; the value is YAML",
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument(
        "--dry-run", action="store_true", help="print plan and resolved recipe, check the data, train nothing"
    )
    only.add_argument("--plan", action="store_true", help="print the stages, which of them would run now, and why")
    parser.add_argument(
        "--from",
        dest="begin",
        metavar="STAGE",
        help="go on from this stage although its `require` does not hold, or start it anew where it is half done and "
        "its settings have changed; what it was is kept",
    )
    parser.add_argument("--version", action="version", version=f"grpo {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
