"""What a judge sees of its tools, and how its choice of calls must look."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from anyprefer.tools.base import Tool
from anyprefer.types import Candidate, ToolCall

_STRICT = ConfigDict(extra="forbid")
_Why = Annotated[str, Field(max_length=160)]


def describe_tools(tools: Mapping[str, Tool]) -> str:
    """One line for each tool and one for each of its arguments.

    Servers that hold a model to a schema do not all show it the schema, so the prompt must say what the arguments mean.
    """
    lines = []
    for name, tool in tools.items():
        lines.append(f"- {name} ({tool.scope}): {tool.description}")
        for key, field in tool.Args.model_fields.items():
            lines.append(f"  - {key}: {' '.join((field.description or 'no description').split())}")
    return "\n".join(lines)


def choice_schema(tools: Mapping[str, Tool], max_calls: int) -> type[BaseModel]:
    """A list of calls, one variant for each tool, so that grammar and validation hold the arguments to the tool's own model."""
    variants: list[Any] = []
    for number, (name, tool) in enumerate(tools.items()):
        literal: Any = Literal[name]
        variants.append(
            create_model(f"Call{number}", __config__=_STRICT, tool=(literal, ...), why=(_Why, ...), args=(tool.Args, ...))
        )
    variant: Any = Union[tuple(variants)]  # noqa: UP007 - built at run time
    calls: Any = Annotated[list[variant], Field(max_length=max_calls)]
    return create_model("ToolChoice", __config__=_STRICT, calls=(calls, ...))


def arguments_schema(tools: Mapping[str, Tool]) -> type[BaseModel] | None:
    """The arguments of one call to each tool that takes any; None where no tool does."""
    fields: dict[str, Any] = {argument_key(name): (tool.Args, ...) for name, tool in tools.items() if tool.Args.model_fields}
    return create_model("ToolArguments", __config__=_STRICT, **fields) if fields else None


def argument_key(name: str) -> str:
    """A tool's key in the arguments: its name, with what an identifier may not hold replaced."""
    return re.sub(r"\W", "_", name)


def expand_calls(calls: Sequence[ToolCall], tools: Mapping[str, Tool], candidates: Sequence[Candidate]) -> tuple[ToolCall, ...]:
    """One call per candidate for candidate tools; a call that stands there twice goes out once."""
    expanded: list[ToolCall] = []
    for call in calls:
        if tools[call.tool].scope == "task":
            expanded.append(call)
        else:
            expanded += [call.model_copy(update={"candidate": candidate.index}) for candidate in candidates]
    keys = [call.model_dump(exclude={"why"}) for call in expanded]
    return tuple(call for i, call in enumerate(expanded) if keys[i] not in keys[:i])
