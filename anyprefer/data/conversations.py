"""Conversations as people keep them (OpenAI's messages, ShareGPT's turns, pairs of turns), and prompts made of parts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from anyprefer.data.cells import as_text, parse_json, read_cell
from anyprefer.data.columns import is_metadata
from anyprefer.data.quoting import brief, map_flag
from anyprefer.errors import DataError
from anyprefer.thoughts import split_thoughts
from anyprefer.types import Message, Output, Reasoning, Reply, Text, normalize

Prompt = str | tuple[Message, ...]

_ROLES = {
    "human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant", "ai": "assistant",
    "function_call": "assistant", "tool_call": "assistant", "observation": "tool", "function": "tool",
    "function_response": "tool", "tool_response": "tool",
}  # fmt: skip
"""What other layouts call a role -> what OpenAI's protocol calls it."""

_CALLS = ("function_call", "tool_call")
"""Roles of turns that are nothing but calls, as JSON."""

_OUTPUT: TypeAdapter[Output] = TypeAdapter(Output)

_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content")
_NAMES = (("role", "from"), ("content", "value"), ("reasoning_content", "reasoning"), ("reasoning_content", "thinking"))
"""A key, and what other layouts call it."""

_TEXTS = ("text", "input_text", "output_text")


def read_messages(where: str, name: str, value: Any) -> tuple[Message, ...]:
    """A conversation, in whichever layout.

    Args:
        where: The row's place, for messages.
        name: The column's name.
        value: Its messages.

    Raises:
        DataError: It is none.
    """
    try:
        return tuple(Message.model_validate(message) for message in _as_openai(value))
    except (ValidationError, ValueError) as error:
        problem = explain(error) if isinstance(error, ValidationError) else error
        raise DataError(
            f"{where}: {name} = {brief(value)} is no list of messages ({problem}): write "
            '[{"role": "system", "user" or "assistant", "content": text}, ...]'
        ) from None


def as_turns(where: str, name: str, value: Any) -> str | list[Any]:
    """A text as it is, or messages under OpenAI's names; a single message, and JSON text of some, count as messages.

    Raises:
        DataError: A call in it cannot be read.
    """
    if isinstance(value, str) and re.match(r'\s*\[\s*\{\s*"(role|from|content|value)"', value):
        value = read_cell(where, name, value)
    if isinstance(value, Mapping):
        value = [value]
    try:
        return list(_as_openai(value)) if isinstance(value, list) else as_text(value)
    except ValueError as error:
        raise DataError(f"{where}: {name} = {brief(value)} is no list of messages ({error})") from None


def explain(error: ValidationError) -> str:
    """The first problem of a value in a few words."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"]).removeprefix("Value error, ")


def _as_openai(turns: Sequence[Any]) -> Iterator[Any]:
    """Messages as OpenAI's protocol has them; calls without ids get some, and so do their results."""
    count, waiting = 0, list[str]()
    for turn in turns:
        if not isinstance(turn, Mapping):
            yield turn
            continue
        role, message = _renamed(turn)
        if role in _CALLS:
            said = message.pop("content", "")
            calls = parse_json(said) if isinstance(said, str) else said
            numbered = [(f"call_{count + i}", call) for i, call in enumerate(calls if isinstance(calls, list) else [calls])]
            count, waiting = count + len(numbered), [*waiting, *(call_id for call_id, _ in numbered)]
            message["tool_calls"] = [{"id": call_id, "function": call} for call_id, call in numbered]
        elif message.get("role") == "tool" and waiting and "tool_call_id" not in message:
            message["tool_call_id"] = waiting.pop(0)
        yield message


def _renamed(turn: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What a turn calls its role, and its fields under OpenAI's names; what only describes it is left out."""
    said = {key: value for key, value in turn.items() if value is not None}
    for own, other in _NAMES:
        if own not in said and other in said:
            said[own] = said.pop(other)
    if isinstance(call := said.pop("function_call", None), Mapping):
        said["tool_calls"] = [{"function": call}]
    if isinstance(calls := said.get("tool_calls"), list):
        said["tool_calls"] = [parse_json(one) if isinstance(one, str) else one for one in calls]
    if isinstance(parts := said.get("content"), list):
        said["content"] = [_part(part) for part in parts]
    role = said.get("role")
    if isinstance(role, str):
        said["role"] = _ROLES.get(role, role)
    return role, {key: value for key, value in said.items() if key in _KEYS or not (key == "id" or is_metadata(key, value))}


def _part(part: Any) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping):
        return part
    known = {key: value for key, value in part.items() if value is not None}
    kind = str(known.get("type"))
    if any(word in kind for word in ("image", "audio", "video", "file")) and "sha256" not in known:
        raise ValueError(f"a part of the type {kind!r}, which no role can see: write what it shows into the text")
    return {"type": "text", "text": known.get("text")} if kind in _TEXTS else known


def read_history(where: str, name: str, value: Any) -> tuple[Message, ...]:
    """Earlier turns: messages, or pairs of what the user and the assistant said.

    Raises:
        DataError: They are neither.
    """
    turns = read_cell(where, name, value) if isinstance(value, str) and value.lstrip().startswith("[") else value
    if not isinstance(turns, list) or not all(isinstance(turn, dict | list) for turn in turns):
        raise DataError(
            f"{where}: {name} = {brief(value)} is neither a list of messages nor of [user, assistant] pairs; "
            f"{map_flag(('context', name))} puts it into the prompt as text"
        )
    found: list[Any] = []
    for turn in turns:
        if isinstance(turn, dict):
            found.append(turn)
        elif len(turn) == 2:
            both = zip(("user", "assistant"), turn, strict=True)
            found += [{"role": role, "content": as_text(said)} for role, said in both if said]
        else:
            raise DataError(f"{where}: {name} holds {brief(turn)}, which is no pair of what the user and the assistant said")
    return read_messages(where, name, found)


def split_reply(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], Reply | None]:
    """A conversation without what the assistant says at its end, and that as a reply; None where it says nothing there."""
    end = len(messages)
    while end > 1 and messages[end - 1].role == "assistant":
        end -= 1
    said = tuple(_thoughts_apart(message) for message in messages[end:] if message.content)
    return messages[:end], Reply(messages=said) if said else None


def read_reply(where: str, name: str, value: Any) -> Reply:
    """A reply as messages, thoughts apart.

    Raises:
        DataError: It is none.
    """
    messages = read_messages(where, name, value)
    if all(message.role != "assistant" for message in messages):
        raise DataError(f"{where}: {name} = {brief(value)} holds no message of the assistant")
    return Reply(messages=tuple(map(_thoughts_apart, messages)))


def read_output(where: str, name: str, value: Any) -> Output:
    """An output as records hold it.

    Raises:
        DataError: It is none.
    """
    try:
        found: Output = _OUTPUT.validate_python(value)
    except ValidationError as error:
        raise DataError(f"{where}: {name} = {brief(value)} is no output ({explain(error)})") from None
    return found


def _thoughts_apart(message: Message) -> Message:
    if message.role != "assistant" or not isinstance(message.content, str):
        return message
    thought, answer, _ = split_thoughts(message.content)
    return Message(role="assistant", content=(Reasoning(text=thought), Text(text=answer))) if thought and answer else message


def with_material(where: str, prompt: Prompt, before: Sequence[str], below: str = "") -> Prompt:
    """A prompt with texts around its question, which is the last thing that the user says.

    Raises:
        DataError: The user says nothing.
    """
    after = (below,) if below else ()
    if not before and not after:
        return prompt
    if isinstance(prompt, str):
        return "\n\n".join((*before, prompt, *after))
    place = next((i for i in reversed(range(len(prompt))) if prompt[i].role == "user"), None)
    if place is None:
        raise DataError(f"{where}: no message of the prompt is the user's: there is no question to give a context to")
    asked = prompt[place]
    content: Any = (
        "\n\n".join((*before, asked.content, *after))
        if isinstance(asked.content, str)
        else (*(Text(text=text) for text in before), *asked.content, *(Text(text=text) for text in after))
    )
    return (*prompt[:place], Message(role="user", content=content, name=asked.name), *prompt[place + 1 :])


def with_turns(where: str, prompt: Prompt, system: str, history: tuple[Message, ...]) -> Prompt:
    """A prompt after a system message and earlier turns.

    Raises:
        DataError: The conversation has another system message of its own.
    """
    if not system and not history:
        return prompt
    messages = (Message(role="user", content=prompt),) if isinstance(prompt, str) else prompt
    own = tuple(message for message in (*history, *messages) if message.role == "system")
    if system and own and normalize(own[0].text) != normalize(system):
        raise DataError(f"{where} has the system message {brief(own[0].text)} and another in a column, {brief(system)}: keep one")
    first = own[:1] or ((Message(role="system", content=system),) if system else ())
    rest = tuple(message for message in (*history, *messages) if message not in first)
    return (*first, *rest)
