"""The registry: built-in tools and those of other packages, by name, imported only when a recipe names them."""

import difflib
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from pydantic import ValidationError

from anyprefer.config import ToolsConfig
from anyprefer.errors import ConfigError
from anyprefer.tools.base import Tool

ENTRY_POINTS = "anyprefer.tools"
"""The entry-point group in which other packages register tools."""

BUILT_IN = {
    "calculator": "anyprefer.tools.calculator:Calculator",
    "corpus_search": "anyprefer.tools.corpus_search:CorpusSearch",
}

_SURFACE = ("name", "description", "scope", "Args", "Options", "default_args", "run", "aclose")


def available_tools() -> dict[str, str]:
    """Name -> where the tool comes from, without importing any."""
    foreign = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    return {**foreign, **BUILT_IN}


def load_tool_class(name: str) -> type[Tool]:
    """Import a tool by name.

    Raises:
        ConfigError: There is no such tool, it cannot be imported, or it is no tool.
    """
    known = available_tools()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known tools: {', '.join(sorted(known))}"
        raise ConfigError(f"tools.names: there is no tool {name!r}; {hint}")
    module, _, attribute = known[name].partition(":")
    try:
        found: Any = getattr(import_module(module), attribute)
    except Exception as error:
        raise ConfigError(f"tool {name!r} ({known[name]}) cannot be imported: {type(error).__name__}: {error}") from error
    if missing := [part for part in _SURFACE if not hasattr(found, part)]:
        raise ConfigError(
            f"tool {name!r} ({known[name]}) is no tool: it lacks {', '.join(missing)}; see anyprefer.tools.base.Tool"
        )
    return cast("type[Tool]", found)


def build_tools(config: ToolsConfig) -> dict[str, Tool]:
    """Make the tools that a recipe names, in its order.

    Raises:
        ConfigError: A name or an option is wrong, or something that a tool needs is missing.
    """
    for name in config.options:
        if name not in config.names:
            raise ConfigError(f"tools.options.{name}: add {name!r} to tools.names or remove the options")
    return {name: _build(name, config.options.get(name, {})) for name in config.names}


def _build(name: str, options: dict[str, Any]) -> Tool:
    kind = load_tool_class(name)
    try:
        return kind(kind.Options.model_validate(options))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in problem["loc"])
        known = ", ".join(kind.Options.model_fields) or "none"
        raise ConfigError(
            f"tools.options.{name}.{key} = {problem['input']!r}: {problem['msg'].lower()}; options of {name}: {known}"
        ) from None
