"""`grpo-train RECIPE [key=value …]`: run a recipe, or go on where it was stopped."""

import argparse
import logging
import sys
from collections.abc import Sequence

from grpo import __version__
from grpo.errors import GuardError, UserError
from grpo.recipe.load import LoadedRecipe, load_recipe
from grpo.recipe.plan_text import format_plan

USER_ERROR, GUARD_ERROR = 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """0: done. 2: something to mend in the recipe or its surroundings. 3: a guard stopped the run."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("grpo").setLevel(logging.INFO)
    try:
        loaded = load_recipe(arguments.recipe, arguments.overrides)
        print(format_plan(loaded.recipe), flush=True)
        if arguments.dry_run:
            return dry_run(loaded)
        return train(loaded)
    except UserError as error:
        print(f"grpo-train: {error}", file=sys.stderr)
        return USER_ERROR
    except GuardError as error:
        print(f"grpo-train: stopped by a guard: {error}", file=sys.stderr)
        return GUARD_ERROR


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        prog="grpo-train",
        description="Post-train a language model as a recipe says. The same command again resumes, or says it is done.",
    )
    words.add_argument("recipe", help="a recipe file, or the name of a shipped one (`quickstart`)")
    words.add_argument(
        "overrides", nargs="*", metavar="key=value", help="override a key, e.g. stages.zero.learning_rate=1e-6"
    )
    words.add_argument("--dry-run", action="store_true", help="print the plan, check data and references, train nothing")
    words.add_argument("--version", action="version", version=f"grpo {__version__}")
    return words


def dry_run(loaded: LoadedRecipe) -> int:
    """The resolved recipe, then a pass through the data."""
    print(f"\n{loaded.resolved_yaml()}", flush=True)
    from grpo.pipeline.preflight import preflight

    for line in preflight(loaded):
        print(line, flush=True)
    return 0


def train(loaded: LoadedRecipe) -> int:
    from grpo.pipeline.preflight import preflight
    from grpo.pipeline.run import run_recipe

    for line in preflight(loaded):
        logging.getLogger("grpo").debug(line)
    results = run_recipe(loaded)
    for name, result in results.items():
        for line in result.lines:
            print(line)
        print(f"stage {name}: policy in {result.policy_path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
