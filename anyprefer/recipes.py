"""Reading recipe files: one clear error per mistake, before any work starts; digests and lock files."""

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from anyprefer.config import Recipe
from anyprefer.config.base import drop_untracked
from anyprefer.config.paths import anchor_paths
from anyprefer.errors import ConfigError, RunFolderError
from anyprefer.tools.registry import anchor_options


def load_locked(run_dir: Path) -> Recipe:
    """The recipe that a run folder belongs to.

    Raises:
        RunFolderError: It is no run folder.
    """
    lock = run_dir / "recipe.lock.toml"
    if not lock.exists():
        raise RunFolderError(f"{str(run_dir)!r} is no run folder: give the folder of `anyprefer run`")
    saved = tomllib.loads(lock.read_text(encoding="utf-8"))
    saved.pop("lock", None)
    return parse_recipe(saved, str(lock))


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
        raise ConfigError(f"no recipe at {str(path)!r}: give the path of a TOML file, see recipes/ for examples") from None
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


def parse_recipe(data: Mapping[str, Any], source: str = "recipe") -> Recipe:
    """Check a recipe given as nested tables.

    Raises:
        ConfigError: Lists every wrong key with its value and what would be right.
    """
    try:
        return Recipe.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        problems = "\n".join(f"  {_explain(problem, Recipe)}" for problem in error.errors())
        raise ConfigError(f"{source} has {error.error_count()} problem(s):\n{problems}") from None


def tracked_values(recipe: Recipe) -> dict[str, Any]:
    """The flat `section.key` -> value map of everything that changes what a run makes."""
    return dict(_flatten(drop_untracked(recipe, recipe.model_dump(mode="json"))))


def digest_of(recipe: Recipe, extra: Mapping[str, Any] | None = None) -> str:
    """SHA-256 over `tracked_values` and `extra` (prompt hashes, say), as hex."""
    content = json.dumps({**tracked_values(recipe), **(extra or {})}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def lock_text(recipe: Recipe, digest: str, extra: Mapping[str, Any]) -> str:
    """The resolved recipe as TOML, with its digest and `extra` under `[lock]`."""
    return tomli_w.dumps({"lock": {"digest": digest, **extra}, **recipe.model_dump(mode="json", exclude_none=True)})


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


def _explain(problem: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(model, problem["loc"][:-1])
        close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(known))}"
        return f"unknown key {where} = {problem['input']!r}: {hint}"
    if problem["type"] == "missing":
        return f"missing key {where}: add it to the recipe"
    if not where:
        return str(problem["msg"]).removeprefix("Value error, ")
    return f"{where} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _keys_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        annotation = model.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
