"""The registry: built-in tools, those of other packages and one's own, by name, imported only when a recipe names them.

A name without a colon is a built-in tool, one of an entry point, or one that `register` was given; `module:NAME` imports a
function with the decorator `tool`, or a subclass of `Tool`; a prefix such as `mcp:` leads to another framework.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, cast

from pydantic import ValidationError

from anyprefer.config import ToolsConfig
from anyprefer.config.paths import anchor_paths
from anyprefer.errors import ConfigError, ToolError
from anyprefer.registry import Registry, import_object, suggest
from anyprefer.tools.base import Tool, ToolArgs, ToolOptions
from anyprefer.tools.function import make_tool_class, marked_tool
from anyprefer.types import Task

TOOLS: Registry[type[Tool]] = Registry(
    kind="tool",
    group="anyprefer.tools",
    built_in={
        "calculator": "anyprefer.tools.arithmetic.calculator:Calculator",
        "consensus": "anyprefer.tools.consensus:Consensus",
        "corpus_search": "anyprefer.tools.corpus.search:CorpusSearch",
        "python": "anyprefer.tools.python.tool:PythonTool",
        "reward_model": "anyprefer.tools.reward_model:RewardModel",
        "web_search": "anyprefer.tools.web.search:WebSearch",
    },
)
"""By name; see `register` for a program's own."""

ADAPTERS = {
    "langchain": "anyprefer.tools.foreign.langchain:LangChainAdapter",
    "mcp": "anyprefer.tools.foreign.mcp:McpAdapter",
}
"""Prefix of `PREFIX:...` names -> what makes the tools of another framework."""

Own = TypeVar("Own", bound=Callable[..., Any])


class ToolAdapter(Protocol):
    """Makes the tools of one prefix for one recipe, so that they can share what they need."""

    Options: ClassVar[type[ToolOptions]]
    extra: ClassVar[str]
    """As of a `Tool`."""

    def make(self, name: str, options: Any) -> Tool:
        """Make a tool.

        Args:
            name: As the recipe has it.
            options: An instance of `Options`.

        Raises:
            ConfigError: It cannot be made.
        """


def register(found: Own) -> Own:
    """Make a function or a subclass of `Tool` known by its name in this process, as a notebook does; it may be registered again.

    Raises:
        ConfigError: It is no tool, or its name is a built-in's.
    """
    kind: Any = found if inspect.isclass(found) else marked_tool(found) or make_tool_class(found)
    name = str(getattr(kind, "name", ""))
    if problems := list_problems(name, kind):
        raise ConfigError(f"{_shorten(repr(found))} is no tool: {'; '.join(problems)}; see anyprefer.tools.base.Tool")
    if ":" in name:
        raise ConfigError(f"a tool cannot be registered as {name!r}, which is a path: choose a name without a colon")
    TOOLS.register(name, kind)
    return found


def available_tools() -> dict[str, str]:
    """Name -> where the tool comes from, as `module:NAME`, without importing any."""
    return TOOLS.names()


def load_tool_class(name: str) -> type[Tool]:
    """Find a tool by name.

    Raises:
        ConfigError: There is no such tool, two packages claim it, it cannot be imported, or it is no tool.
    """
    found = _import_own(name) if ":" in name else TOOLS.load(name, "tools.names")
    kind = marked_tool(found) or found
    expected = getattr(kind, "name", None) if ":" in name else name
    if problems := list_problems(expected, kind):
        raise ConfigError(f"tool {name!r} ({_path_of(name)}) is no tool: {'; '.join(problems)}; see anyprefer.tools.base.Tool")
    return cast("type[Tool]", kind)


def _path_of(name: str) -> str:
    return name if ":" in name else available_tools()[name]


def _import_own(path: str) -> Any:
    """Import the tool of a recipe's `module:NAME`."""
    try:
        return import_object(path)
    except ConfigError:
        raise
    except Exception as error:  # importing foreign code can raise anything
        prefixes = ", ".join(f"{key}:" for key in ADAPTERS)
        raise ConfigError(
            f"tool {path!r} cannot be imported: {type(error).__name__}: {error}; install it or set PYTHONPATH, or write one of "
            f"the prefixes {prefixes}"
        ) from error


def list_problems(name: str | None, found: Any) -> list[str]:
    """What a class lacks to be the tool of this name; an empty list where it fits."""
    if inspect.isfunction(found):
        return [f"{found.__qualname__} is a function without the decorator anyprefer.tool"]
    if not inspect.isclass(found) or not issubclass(found, Tool):
        return [f"it is {_shorten(repr(found))}, not a subclass of Tool"]
    names = ("name", "scope", "description", "Args", "Options", "run", "aclose")
    parts: dict[str, Any] = {part: getattr(found, part, None) for part in names}
    checks = {
        f"name must be {name!r}": parts["name"] == name and isinstance(name, str) and name != "",
        "scope must be 'task' or 'candidate'": parts["scope"] in ("task", "candidate"),
        "description must be one sentence": isinstance(parts["description"], str) and parts["description"].strip() != "",
        "Args must be a subclass of ToolArgs": _is_subclass(parts["Args"], ToolArgs),
        "Options must be a subclass of ToolOptions": _is_subclass(parts["Options"], ToolOptions),
        "run must be a coroutine method of its own": inspect.iscoroutinefunction(parts["run"]) and found.run is not Tool.run,
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
            plans.append((name, kind, validate_options(name, kind, config.options.get(name, {}))))
        except ConfigError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    tools = {name: _make_tool(name, kind, options) for name, kind, options in plans}
    if config.choose == "always":
        _check_defaults(tools)
    return tools


def validate_options(name: str, kind: "type[Tool] | ToolAdapter", raw: Mapping[str, Any]) -> ToolOptions:
    """Check a tool's options.

    Raises:
        ConfigError: It has a line for each wrong one.
    """
    try:
        options: ToolOptions = kind.Options.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain_options(name, kind.Options, error))) from error
    return options


def _check_defaults(tools: Mapping[str, Tool]) -> None:
    """Refuse tools that are always called although no arguments can be guessed."""
    for name, tool in tools.items():
        try:
            tool.default_args(Task(prompt="x"))
        except ToolError as error:
            raise ConfigError(f"tools.choose = 'always' cannot call {name!r}: {error}; set tools.choose = 'judge'") from error


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
    adapter: type[ToolAdapter] = import_object(ADAPTERS[prefix])
    return adapter.Options


def _find_maker(name: str, config: ToolsConfig, adapters: dict[str, ToolAdapter]) -> type[Tool] | ToolAdapter:
    """The class of a tool, or the adapter of its prefix, of which a recipe has one."""
    prefix, colon, _ = name.partition(":")
    if not colon or prefix not in ADAPTERS:
        return load_tool_class(name)
    if prefix not in adapters:
        adapters[prefix] = import_object(ADAPTERS[prefix])(config)
    return adapters[prefix]


def _make_tool(name: str, kind: type[Tool] | ToolAdapter, options: ToolOptions) -> Tool:
    try:
        made = kind(options) if isinstance(kind, type) else kind.make(name, options)
    except ImportError as error:
        fix = f"pip install 'anyprefer[{kind.extra}]'" if kind.extra else f"install what {kind.__module__} needs"
        raise ConfigError(f"the tool {name!r} needs a package that is not installed ({error}): {fix}") from error
    if ":" in name:
        made.name = name  # calls and evidence know it by the recipe's name
    return made


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
            lines.append(f"{place} = {value}: there is no such option; {suggest(key, model.model_fields)}")
        elif problem["type"] == "missing":
            lines.append(f"{place} is missing: {name} cannot do without it")
        else:
            lines.append(f"{place} = {value}: {problem['msg'].lower()}")
    return lines


def _repeated(names: Iterable[str]) -> list[str]:
    listed = list(names)
    return [name for name in dict.fromkeys(listed) if listed.count(name) > 1]


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."
