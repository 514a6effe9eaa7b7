"""Use any LangChain tool: `langchain:module.path:NAME` in `tools.names`.

NAME is a tool, a class of tools or a function that makes one; the recipe's options are the keyword arguments. Importing the
module runs its code, so a recipe that names one must be trusted like a program.
"""

import difflib
import importlib
import inspect
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, cast

from anyprefer.config import ToolsConfig
from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import ToolOptions
from anyprefer.tools.foreign.tool import FactoryOptions, ForeignTool, blocks_text, value_text
from anyprefer.tools.schema_args import Schema, one_line

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool


class LangChainAdapter:
    """Makes the `langchain:` tools of a recipe."""

    Options: ClassVar[type[ToolOptions]] = FactoryOptions
    extra: ClassVar[str] = ""

    def __init__(self, config: ToolsConfig) -> None:
        """Nothing of the recipe is needed but a tool's own options."""

    def make(self, name: str, options: FactoryOptions) -> "LangChainTool":
        """Import and prepare a tool.

        Raises:
            ConfigError: It cannot be imported or made, is no tool, or its options are wrong.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a package's deprecations are its own affair
            found = _make_tool(name, _import_object(name), dict(options.model_extra or {}))
            return LangChainTool(name, found, options)


class LangChainTool(ForeignTool):
    """A LangChain tool behind our protocol."""

    def __init__(self, name: str, tool: "BaseTool", options: FactoryOptions) -> None:
        super().__init__(name, tool.description or tool.name, _schema_of(name, tool), options)
        self._tool = tool

    async def _call(self, arguments: dict[str, Any]) -> str:
        try:
            result = await self._tool.ainvoke(arguments)
        except Exception as error:
            raise ToolError(f"{type(error).__name__}: {error}") from error
        return blocks_text(result) if isinstance(result, list | tuple) else value_text(getattr(result, "content", result))


def _import_object(name: str) -> Any:
    _, _, path = name.partition(":")
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise ConfigError(f"tools.names: {name!r} must be 'langchain:module.path:NAME'")
    try:
        loaded = importlib.import_module(module)
    except Exception as error:
        raise ConfigError(
            f"tool {name!r}: {module} cannot be imported: {type(error).__name__}: {error}; install it or set PYTHONPATH"
        ) from error
    if not hasattr(loaded, attribute):
        close = difflib.get_close_matches(attribute, dir(loaded), n=1)
        raise ConfigError(f"tool {name!r}: {module} has no {attribute!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    return getattr(loaded, attribute)


def _make_tool(name: str, found: Any, settings: dict[str, Any]) -> "BaseTool":
    from langchain_core.tools import BaseTool

    if isinstance(found, BaseTool):
        if settings:
            raise ConfigError(f"tools.options.{name}.{next(iter(settings))}: {name} is a finished tool and takes no options")
        return found
    if not callable(found):
        raise ConfigError(f"tool {name!r} is {one_line(repr(found), 80)}, not a LangChain tool, class or factory")
    _check_settings(name, found, settings)
    try:
        made = found(**settings)
    except Exception as error:
        raise ConfigError(f"tool {name!r} cannot be made from its options: {type(error).__name__}: {error}") from error
    if not isinstance(made, BaseTool):
        raise ConfigError(f"tool {name!r} makes {one_line(repr(made), 80)}, not a LangChain tool")
    return made


def _check_settings(name: str, found: Any, settings: dict[str, Any]) -> None:
    """Refuse keys that nobody reads: LangChain's classes ignore what they do not know."""
    from langchain_core.tools import BaseTool

    if inspect.isclass(found) and issubclass(found, BaseTool):
        known = {key for field, info in found.model_fields.items() for key in (field, info.alias) if key}
        is_open = found.model_config.get("extra") == "allow" or found.__init__ is not BaseTool.__init__
    else:
        try:
            parameters = inspect.signature(found).parameters.values()
        except (TypeError, ValueError):
            return
        known = {item.name for item in parameters if item.kind is not item.VAR_KEYWORD}
        is_open = any(item.kind is item.VAR_KEYWORD for item in parameters)
    for key, value in settings.items():
        if key not in known and not is_open:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(sorted(known)) or 'none'}"
            raise ConfigError(f"tools.options.{name}.{key} = {value!r}: there is no such option; {hint}")


def _schema_of(name: str, tool: "BaseTool") -> Schema:
    """The JSON schema of a tool's arguments, without those that LangChain injects."""
    from langchain_core.tools import Tool

    try:
        if isinstance(tool, Tool) and tool.args_schema is None:  # a plain function of one text
            return {"properties": tool.args, "required": list(tool.args)}
        found: Any = tool.tool_call_schema
        if not isinstance(found, dict):
            found = found.model_json_schema() if hasattr(found, "model_json_schema") else found.schema()  # pydantic 1
    except Exception as error:
        raise ConfigError(f"tool {name!r}: its arguments cannot be described: {type(error).__name__}: {error}") from error
    return cast("Schema", found)
