"""The registry: built-in tools and those of other packages, by name, imported only when a recipe names them."""

import difflib
import inspect
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from pydantic import ValidationError

from anyprefer.config import ToolsConfig
from anyprefer.config.paths import anchor_paths
from anyprefer.errors import ConfigError
from anyprefer.tools.base import Tool, ToolArgs, ToolOptions

ENTRY_POINTS = "anyprefer.tools"
"""The entry-point group in which other packages register tools."""

BUILT_IN = {
    "calculator": "anyprefer.tools.calculator:Calculator",
    "consensus": "anyprefer.tools.consensus:Consensus",
    "corpus_search": "anyprefer.tools.corpus_search:CorpusSearch",
    "python": "anyprefer.tools.python:PythonTool",
    "reward_model": "anyprefer.tools.reward_model:RewardModel",
    "web_search": "anyprefer.tools.web_search:WebSearch",
}
"""Name -> import path. A built-in name cannot be taken by another package."""

ADAPTERS = {
    "langchain": "anyprefer.tools.langchain_tool:LangChainAdapter",
    "mcp": "anyprefer.tools.mcp_tool:McpAdapter",
}
"""Prefix of `PREFIX:...` names -> what makes the tools of another framework."""

_METHODS = ("default_args", "run", "aclose")


class ToolAdapter(Protocol):
    """Makes the tools of one prefix for one recipe, so that they can share what they need."""

    Options: ClassVar[type[ToolOptions]]

    def make(self, name: str, options: ToolOptions) -> object:
        """Make a tool; its attributes fit `Tool`, but are its own and not its class's.

        Raises:
            ConfigError: It cannot be made.
        """


def available_tools() -> dict[str, str]:
    """Name -> where the tool comes from, as `module:Class`, without importing any."""
    foreign = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    return {**foreign, **BUILT_IN}


def load_tool_class(name: str) -> type[Tool]:
    """Import a tool by name.

    Raises:
        ConfigError: There is no such tool, two packages claim it, it cannot be imported, or it is no tool.
    """
    known = available_tools()
    if name not in known:
        raise ConfigError(f"tools.names: there is no tool {name!r}; {_suggest(name, known)}")
    point = EntryPoint(name, known[name], ENTRY_POINTS)
    claims = {other.value for other in entry_points(group=ENTRY_POINTS, name=name)}
    if name not in BUILT_IN and len(claims) > 1:
        raise ConfigError(f"tools.names: {name!r} is claimed by {' and '.join(sorted(claims))}; uninstall all but one")
    try:
        found: Any = _import_object(point.value)
    except Exception as error:
        raise ConfigError(
            f"tool {name!r} ({point.value}) cannot be imported: {type(error).__name__}: {error}; mend or uninstall its package"
        ) from error
    if problems := list_problems(name, found):
        raise ConfigError(f"tool {name!r} ({point.value}) is no tool: {'; '.join(problems)}; see anyprefer.tools.base.Tool")
    return cast("type[Tool]", found)


def _import_object(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module.strip()), attribute.strip())


def list_problems(name: str, found: Any) -> list[str]:
    """What a class lacks to be the tool of this name; an empty list where it fits."""
    if not inspect.isclass(found):
        return [f"it is {found!r}, not a class"]
    parts: dict[str, Any] = {part: getattr(found, part, None) for part in (*Tool.__annotations__, *_METHODS)}
    checks = {
        f"name must be {name!r}": parts["name"] == name,
        "scope must be 'task' or 'candidate'": parts["scope"] in ("task", "candidate"),
        "description must be one sentence": isinstance(parts["description"], str) and parts["description"].strip() != "",
        "Args must be a subclass of ToolArgs": _is_subclass(parts["Args"], ToolArgs),
        "Options must be a subclass of ToolOptions": _is_subclass(parts["Options"], ToolOptions),
        "default_args must be a method": callable(parts["default_args"]),
        "run must be a coroutine method": inspect.iscoroutinefunction(parts["run"]),
        "aclose must be a coroutine method": inspect.iscoroutinefunction(parts["aclose"]),
    }
    return [f"{rule}, not {_shorten(repr(parts[rule.split()[0]]))}" for rule, holds in checks.items() if not holds]


def _is_subclass(found: Any, base: type) -> bool:
    return inspect.isclass(found) and issubclass(found, base)


def build_tools(config: ToolsConfig) -> dict[str, Tool]:
    """Make the tools that a recipe names, in its order.

    All names and options are checked before the first tool is made, since making one may take long.

    Raises:
        ConfigError: A name or an option is wrong, or something that a tool needs is missing. It has a line for each mistake.
    """
    mistakes = [f"tools.names: {name!r} stands there twice; remove one" for name in _repeated(config.names)]
    unused = [name for name in config.options if name not in config.names]
    mistakes.extend(f"tools.options.{name}: {_explain_unused(name, config)}" for name in unused)
    idle = [server for server in config.servers if not any(name.startswith(f"mcp:{server}/") for name in config.names)]
    mistakes.extend(f"tools.servers.{server}: no 'mcp:{server}/...' is in tools.names; add one or remove it" for server in idle)
    adapters: dict[str, ToolAdapter] = {}
    plans: list[tuple[str, type[Tool] | ToolAdapter, ToolOptions]] = []
    for name in dict.fromkeys(config.names):
        try:
            kind = _find_maker(name, config, adapters)
            plans.append((name, kind, kind.Options.model_validate(config.options.get(name, {}))))
        except ConfigError as error:
            mistakes.append(str(error))
        except ValidationError as error:
            mistakes.extend(_explain_options(name, kind.Options, error))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return {name: _make_tool(name, kind, options) for name, kind, options in plans}


def anchor_options(config: ToolsConfig, folder: Path) -> ToolsConfig:
    """Make the tools' paths absolute, relative ones being relative to `folder`; what is a path the tool's `Options` say.

    Options of a tool that cannot be found or refuses them stay as they are: `build_tools` explains what is wrong.
    """
    options = {name: _anchor_table(name, table, folder) for name, table in config.options.items()}
    return config.model_copy(update={"options": options})


def _anchor_table(name: str, table: dict[str, Any], folder: Path) -> dict[str, Any]:
    try:
        options = _options_model(name).model_validate(table)
    except (ConfigError, ValidationError):
        return table
    anchored = anchor_paths(options, folder)
    changed = {key for key in type(options).model_fields if getattr(anchored, key) != getattr(options, key)} & set(table)
    return {**table, **anchored.model_dump(mode="json", include=changed)}


def _options_model(name: str) -> type[ToolOptions]:
    prefix, colon, _ = name.partition(":")
    if not colon or prefix not in ADAPTERS:
        return load_tool_class(name).Options
    adapter: type[ToolAdapter] = _import_object(ADAPTERS[prefix])
    return adapter.Options


def _find_maker(name: str, config: ToolsConfig, adapters: dict[str, ToolAdapter]) -> type[Tool] | ToolAdapter:
    """The class of a tool, or the adapter of its prefix, of which a recipe has one."""
    prefix, colon, _ = name.partition(":")
    if not colon or prefix not in ADAPTERS:
        return load_tool_class(name)
    if prefix not in adapters:
        adapters[prefix] = _import_object(ADAPTERS[prefix])(config)
    return adapters[prefix]


def _make_tool(name: str, kind: type[Tool] | ToolAdapter, options: ToolOptions) -> Tool:
    if not isinstance(kind, type):
        return cast("Tool", kind.make(name, options))
    try:
        return kind(options)
    except ImportError as error:
        fix = "pip install 'anyprefer[tools]'" if name in BUILT_IN else f"install what {kind.__module__} needs"
        raise ConfigError(f"tool {name!r} needs a package that is not installed ({error}): {fix}") from error


def _explain_unused(name: str, config: ToolsConfig) -> str:
    if close := difflib.get_close_matches(name, config.names, n=1):
        return f"there is no such tool in tools.names; did you mean tools.options.{close[0]}?"
    return f"add {name!r} to tools.names or remove the options"


def _explain_options(name: str, model: type[ToolOptions], error: ValidationError) -> list[str]:
    """One line for each wrong option: its key, its value and what to do."""
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        place = f"tools.options.{name}.{key}"
        value = _shorten(repr(problem["input"]))
        if problem["type"] == "extra_forbidden":
            lines.append(f"{place} = {value}: there is no such option; {_suggest(key, model.model_fields)}")
        elif problem["type"] == "missing":
            lines.append(f"{place} is missing: {name} cannot do without it")
        else:
            lines.append(f"{place} = {value}: {problem['msg'].lower()}")
    return lines


def _suggest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"known are: {', '.join(names)}" if names else "there are none"


def _repeated(names: Iterable[str]) -> list[str]:
    listed = list(names)
    return [name for name in dict.fromkeys(listed) if listed.count(name) > 1]


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."
