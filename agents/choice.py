"""What a judge sees of its tools, and how its choice of calls must look."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from anyprefer.agents.material import task_block
from anyprefer.prompts import Prompt, fence
from anyprefer.tools.base import Example, Tool
from anyprefer.types import Candidate, Message, Task, ToolCall

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


def arguments_messages(prompt: Prompt, field: str, name: str, tool: Tool, task: Task, nonce: str) -> tuple[Message, ...]:
    """Ask for one tool's arguments, after its worked examples as turns of the conversation."""
    values = {"field": field, "tools": describe_tools({name: tool})}
    turns: list[Message] = []
    examples: Sequence[Example] = getattr(tool, "examples", ())
    for example in examples:
        reply = Message(role="assistant", content=json.dumps(dict(example.args), ensure_ascii=False))
        turns += [prompt.fill({**values, "task": fence(example.task, "task", nonce)})[-1], reply]
    *system, question = prompt.fill({**values, "task": task_block(task, nonce)})
    return (*system, *turns, question)


def merge_arguments(schema: type[BaseModel], samples: Sequence[BaseModel]) -> dict[str, Any]:
    """One call's arguments out of several samples: lists joined as far as the schema allows, the rest from the first sample."""
    dumped = [sample.model_dump(mode="json") for sample in samples]
    merged = dumped[0]
    for name, value in merged.items():
        if isinstance(value, list):
            joined = [item for sample in dumped for item in sample[name]]
            limit = next((part.max_length for part in schema.model_fields[name].metadata if hasattr(part, "max_length")), None)
            merged[name] = joined[:limit]
    return merged


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
