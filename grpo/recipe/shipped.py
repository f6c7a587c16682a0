"""Recipes that come with the library, found by name: `quickstart`, `r1_zero/smollm2_135m_svamp`."""

from difflib import get_close_matches
from pathlib import Path

from grpo.errors import UserError

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_folder() -> Path:
    """The wheel's copy, or the `recipes/` folder of a clone."""
    in_wheel = _PACKAGE / "shipped_recipes"
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Name → file. The name is the path under `recipes/` without its suffix."""
    folder = shipped_folder()
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}


def find_recipe(path_or_name: str, *, beside: Path | None = None, where: str | None = None) -> Path:
    """The file of a recipe: a path (relative to `beside`, else to the working directory), or a shipped name.

    Raises UserError with the nearest file or name where there is neither.
    """
    given = Path(path_or_name).expanduser()
    path = given if beside is None else beside / given
    if path.is_file():
        return path.resolve()
    shipped = shipped_recipes()
    if path_or_name in shipped:
        return shipped[path_or_name]
    if path.suffix in (".yaml", ".yml"):
        folder = path.parent
        if not folder.is_dir():
            raise UserError(f"no recipe {path_or_name}: there is no folder {folder}", where=where)
        near = get_close_matches(path.name, [other.name for other in folder.iterdir()], n=3)
        advice = f"Did you mean {', '.join(str(given.parent / name) for name in near)}?" if near else None
        raise UserError(f"no recipe file {path_or_name} (looked for {path.absolute()})", where=where, advice=advice)
    near = get_close_matches(path_or_name, list(shipped), n=3, cutoff=0.4)
    guess = f"Did you mean {', '.join(near)}? " if near else ""
    raise UserError(
        f"no recipe {path_or_name!r}: neither a file nor the name of a shipped recipe",
        where=where,
        advice=f"{guess}Shipped recipes: {', '.join(shipped) or 'none found in ' + str(shipped_folder())}.",
    )
