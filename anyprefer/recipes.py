"""Recipes, from files and from tables: what extends what, `--set`, and paths that are relative to the file.

What needs no tool, such as checking tables and digests, is done in `anyprefer.recipe_tables`.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from anyprefer.config import Recipe
from anyprefer.config.paths import anchor_paths
from anyprefer.errors import ConfigError
from anyprefer.recipe_tables import digest_of, parse_recipe, tracked_values
from anyprefer.tools.registry import anchor_options

__all__ = ["digest_of", "load_recipe", "parse_recipe", "tracked_values"]


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read, override and check a recipe; paths in it become absolute.

    Args:
        path: A TOML file; with `extends = "other.toml"` it holds only what differs from a recipe beside it.
        overrides: `a.b=c` assignments; the value is read as TOML, or as text where it is none.

    Raises:
        ConfigError: The file is missing or no TOML, or a key is unknown or wrong; names key, value and fix.
    """
    path = Path(path)
    data = _read_tables(path)
    for override in overrides:
        _assign(data, override)
    folder = path.resolve().parent
    recipe = anchor_paths(parse_recipe(data, source=str(path)), folder)
    return recipe.model_copy(update={"tools": anchor_options(recipe.tools, folder)})


def _read_tables(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The tables of a recipe file, laid over those of the file that its `extends` names."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"no recipe at {str(path)!r}: give the path of a TOML file, or write one with `anyprefer init`"
        ) from None
    except (IsADirectoryError, PermissionError) as error:
        raise ConfigError(f"cannot read recipe {str(path)!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str) or Path(base).name != base or path.parent / base in (path, *above):
        raise ConfigError(f"{path}: extends = {base!r}: name another recipe file in the same folder, such as 'anyprefer.toml'")
    return _lay_over(_read_tables(path.parent / base, (path, *above)), data)


def _lay_over(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables; any other value, lists included, replaces the base's."""
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = _lay_over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _assign(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {override!r} is not an assignment: write --set section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for part in parts[:-1]:
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise ConfigError(f"--set {override!r}: {part!r} is not a section")
    data[parts[-1]] = value
