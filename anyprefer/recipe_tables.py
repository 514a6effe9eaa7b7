"""Recipes as tables: checked with one clear error per mistake; and their digests."""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from anyprefer.config import Recipe
from anyprefer.config.base import drop_untracked
from anyprefer.errors import ConfigError


def parse_recipe(data: Mapping[str, Any], source: str = "recipe") -> Recipe:
    """Check a recipe given as nested tables.

    Raises:
        ConfigError: Lists every wrong key with its value and what would be right.
    """
    try:
        return Recipe.model_validate_json(json.dumps(_in_present_words(data), default=str))
    except ValidationError as error:
        problems = "\n".join(f"  {_explain(problem, Recipe)}" for problem in error.errors())
        raise ConfigError(f"{source} has {error.error_count()} problem(s):\n{problems}") from None


def _in_present_words(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tables of recipes from before `omit`, which left out `n` with `target.request_n = false`, as they are written now."""
    target = data.get("target")
    if not isinstance(target, Mapping) or not isinstance(target.get("request_n"), bool):
        return data
    rest = {key: value for key, value in target.items() if key != "request_n"}
    return {**data, "target": rest if target["request_n"] else {**rest, "omit": [*rest.get("omit", ()), "n"]}}


def tracked_values(recipe: Recipe) -> dict[str, Any]:
    """The flat `section.key` -> value map of everything that changes what a run makes."""
    return dict(_flatten(drop_untracked(recipe, recipe.model_dump(mode="json"))))


def digest_of(recipe: Recipe, extra: Mapping[str, Any] | None = None) -> str:
    """SHA-256 over `tracked_values` and `extra` (prompt hashes, say), as hex."""
    content = json.dumps({**tracked_values(recipe), **(extra or {})}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


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
        field = model.model_fields.get(part)
        if field is None:  # a place in a list of sections, or a key of a table of them
            continue
        kinds = (field.annotation, *get_args(field.annotation))
        found = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if found is None:
            return []
        model = found
    return list(model.model_fields)


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
