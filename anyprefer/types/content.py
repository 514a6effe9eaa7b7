"""What a message consists of: parts after LangChain's standard content blocks, and their one reading as text.

A `Message` of plain text holds a `str`; any other holds a tuple of parts. Pictures are named by the SHA-256 of their bytes, which
lie in a blob store (`anyprefer.data.blobs`); no value holds a path.
"""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from anyprefer.types.base import Value


class Text(Value):
    """Plain text."""

    type: Literal["text"] = "text"
    text: str


class Image(Value):
    """A picture, by what it is and not by where it lies."""

    type: Literal["image"] = "image"
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of its bytes; its name in a blob store."""
    media_type: str
    """Such as "image/png"."""


class Reasoning(Value):
    """What a model thought before it answered; no part of the answer."""

    type: Literal["reasoning"] = "reasoning"
    text: str


class ToolUse(Value):
    """A call that a model asks for."""

    type: Literal["tool_call"] = "tool_call"
    id: str = ""
    """What the result refers to."""
    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class ToolResult(Value):
    """What a call gave."""

    type: Literal["tool_result"] = "tool_result"
    id: str = ""
    """Of the call."""
    content: str | tuple[Annotated[Text | Image, Field(discriminator="type")], ...]


Part = Annotated[Text | Image | Reasoning | ToolUse | ToolResult, Field(discriminator="type")]


def _check_parts(parts: "tuple[Part, ...]", info: ValidationInfo) -> "str | tuple[Part, ...]":
    """Parts that fit the role, written before them; a single text becomes a `str`."""
    role = info.data.get("role", "")
    for part in parts:
        if not isinstance(part, _ALLOWED.get(role, Value)):
            raise ValueError(f"a message of the role {role!r} cannot hold a part of the type {part.type!r}")
    return parts[0].text if len(parts) == 1 and isinstance(parts[0], Text) else parts


class Message(Value):
    """One message of a conversation.

    Example:
        Message(role="user", content="What is 2 + 2?")
    """

    role: Literal["system", "user", "assistant", "tool"]
    """The role "developer" is read as "system"."""
    content: str | Annotated[tuple[Part, ...], AfterValidator(_check_parts)]
    """Text alone is a `str`, so that equal messages are equal values."""
    name: str | None = None
    """Who speaks, where several share a role; of a tool's message, the tool."""

    @model_validator(mode="before")
    @classmethod
    def _read_openai(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        is_plain = data.keys() <= _OWN and data.get("content", "") is not None and data.get("role") != "developer"
        return data if is_plain else _from_openai(data)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The content as parts; an empty text has none."""
        if isinstance(self.content, tuple):
            return self.content
        return (Text(text=self.content),) if self.content else ()

    @property
    def text(self) -> str:
        """The content as text, thoughts apart."""
        return self.content if isinstance(self.content, str) else text_of(self.content)

    def keyed(self) -> dict[str, Any]:
        """The message as the journal's keys know it: nothing that says nothing."""
        return self.model_dump(exclude_none=True)


_OWN = frozenset({"role", "content", "name"})


def _from_openai(data: dict[str, Any]) -> dict[str, Any]:
    """A message as OpenAI's protocol and the trainers write it: calls, results and thoughts in fields of their own."""
    rest = {key: value for key, value in data.items() if value is not None}
    rest["role"] = "system" if rest.get("role") == "developer" else rest.get("role")
    content, calls, call_id = rest.pop("content", ""), rest.pop("tool_calls", ()), rest.pop("tool_call_id", None)
    thought = rest.pop("reasoning_content", "")
    if rest.get("role") == "tool" and call_id is not None:
        return {**rest, "content": [{"type": "tool_result", "id": call_id, "content": content}]}
    said = [{"type": "text", "text": content}] * bool(content) if isinstance(content, str) else content
    if not isinstance(said, list | tuple) or not isinstance(calls, list | tuple):
        raise ValueError("a message has a text or a list of parts as its content, and a list of tool_calls")
    thoughts = [{"type": "reasoning", "text": thought}] * bool(thought)
    return {**rest, "content": [*thoughts, *said, *map(_call_of, calls)] or ""}


def _call_of(call: Any) -> Any:
    if not isinstance(call, dict) or call.get("type") == "tool_call":
        return call
    function = call.get("function") or call
    if not isinstance(function, dict):
        raise ValueError(f"the function of a tool call is no object: {str(function)[:80]!r}")
    args = function.get("arguments") or {}
    if isinstance(args, str):
        try:
            args = json.loads(args)
        except (ValueError, RecursionError):
            raise ValueError(f"the arguments of a tool call are no JSON object: {args[:80]!r}") from None
    return {"type": "tool_call", "id": call.get("id") or "", "name": function.get("name"), "args": args}


_ALLOWED: dict[str, tuple[type[Value], ...]] = {
    "system": (Text,),
    "user": (Text, Image),
    "assistant": (Text, Image, Reasoning, ToolUse),
    "tool": (Text, Image, ToolResult),
}


def text_of(content: Iterable[Part] | Iterable[Message], *, roles: bool = False) -> str:
    """How parts, or a conversation, read as text: for judges, tools, searches and people.

    Thoughts are left out, a picture is named in brackets, a call and its result are written out. A conversation of one user
    message is that message's text; any other has its roles in front.

    Args:
        content: Parts, or messages.
        roles: Put the role in front of a single user message as well.
    """
    items = tuple(content)
    messages = [item for item in items if isinstance(item, Message)]
    if len(messages) == 1 and messages[0].role == "user" and not roles:
        return messages[0].text
    if messages:
        return "\n\n".join(f"[{message.role}]\n{message.text}" for message in messages)
    return "\n\n".join(text for part in items if (text := _read(part)))


def _read(part: Any) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, Image):
        return f"[picture {part.sha256[:12]}]"
    if isinstance(part, ToolUse):
        return f"[calls {part.name} with {json.dumps(part.args, ensure_ascii=False, sort_keys=True)}]"
    if isinstance(part, ToolResult):
        return part.content if isinstance(part.content, str) else text_of(part.content)
    return ""


def images_of(messages: Iterable[Message]) -> tuple[Image, ...]:
    """The pictures of a conversation, in their order, those in tools' results included."""
    found: list[Image] = []
    for message in messages:
        for part in message.parts:
            inner = part.content if isinstance(part, ToolResult) and isinstance(part.content, tuple) else (part,)
            found += [item for item in inner if isinstance(item, Image)]
    return tuple(found)
