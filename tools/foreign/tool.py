"""What tools of other frameworks have in common once they are ours: options, default arguments, errors and text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field

from anyprefer.errors import ConfigError, ToolError
from anyprefer.shortening import shorten
from anyprefer.tools.base import Case, Scope, Tool, ToolOptions, task_as_argument
from anyprefer.tools.schema_args import ForeignArgs, Schema, make_args, one_line, required_text, sendable
from anyprefer.types import Finding, Task

MAX_RESULT_CHARS = 100_000
"""Longest result that is kept; `tools.evidence_chars` shortens further for prompts."""


class ForeignOptions(ToolOptions):
    """How a foreign tool is called."""

    scope: Scope = "task"
    """`task` calls it once per chosen call; `candidate` once per response, whose text it gets."""
    response_argument: str | None = Field(default=None, min_length=1)
    """The argument that takes the response's text; needed with `scope = "candidate"` and only there."""


class FactoryOptions(ForeignOptions):
    """The same for a tool that takes settings: all further keys are its own keyword arguments."""

    model_config = ConfigDict(extra="allow")


class ForeignTool(Tool[ForeignArgs, ForeignOptions]):
    """A tool whose name, description and arguments are known only once it is found.

    What it returns is for the judge to read: no foreign tool says whether it speaks for or against a response.
    """

    quotes = True

    def __init__(self, name: str, description: str, schema: Schema, options: ForeignOptions) -> None:
        """Make the argument model.

        Raises:
            ConfigError: The options do not fit the arguments.
        """
        super().__init__(options)
        properties = schema.get("properties") or {}
        place = f"tools.options.{name}.response_argument"
        if (options.scope == "candidate") != (options.response_argument is not None):
            raise ConfigError(f"{place} and scope = 'candidate' need each other; arguments are: {', '.join(properties)}")
        if options.response_argument is not None and options.response_argument not in properties:
            raise ConfigError(f"{place} = {options.response_argument!r}: there is no such argument, only {', '.join(properties)}")
        self.name = name
        self.description = one_line(description) or f"Calls {name}."
        self.scope = options.scope
        self.Options = type(options)
        self.Args = make_args(name, schema, options.response_argument)
        self._response_argument = options.response_argument
        self._default = required_text(schema, options.response_argument)
        self._required = [key for key in schema.get("required", ()) if key != options.response_argument]

    def default_args(self, task: Task) -> ForeignArgs:
        """The task's text as the only required argument, or no arguments where none is required.

        Raises:
            ToolError: The tool needs more than a text.
        """
        if self._default is None:
            raise ToolError(f"{self.name!r} needs {', '.join(self._required)}: only a judge can choose these arguments")
        key, longest = self._default
        return self.Args.model_validate({key: task_as_argument(task, longest)} if key else {})

    async def run(self, args: ForeignArgs, case: Case) -> Finding:
        """Call the tool.

        Raises:
            ToolError: It failed, or there is no response to hand over.
        """
        arguments = sendable(args)
        if self._response_argument is not None:
            arguments[self._response_argument] = case.response(self.name).text.encode("utf-8", "replace").decode()
        return Finding(content=shorten(await self._call(arguments), MAX_RESULT_CHARS, "result") or "(the tool returned nothing)")

    async def _call(self, arguments: dict[str, Any]) -> str:
        raise NotImplementedError


def blocks_text(blocks: Sequence[Any]) -> str:
    """Content blocks as text; one that is no text is named, so that the judge knows that something was there."""
    return "\n".join(_block_text(block) for block in blocks).strip()


def _block_text(block: Any) -> str:
    if isinstance(block, str):
        return block
    if not isinstance(block, Mapping):
        return value_text(block)
    if isinstance(block.get("text"), str):
        return str(block["text"])
    resource = block.get("resource")
    if isinstance(resource, Mapping) and isinstance(resource.get("text"), str):
        return str(resource["text"])
    if isinstance(block.get("type"), str):
        return f"[{one_line(block['type'], 40)} omitted]"
    return value_text(block)


def value_text(value: Any) -> str:
    """Any value as text: JSON where it can be."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return str(value)
