"""Our messages and LangChain's, converted in this one place."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatResult, Generation

from anyprefer.errors import DataError
from anyprefer.thoughts import split_thoughts
from anyprefer.types import Ending, Image, Message, Part, Reasoning, Reply, Text, ToolResult, ToolUse, ending_of

_REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
"""What providers call the word for how a reply ended: OpenAI and Google, Anthropic, Bedrock, Ollama."""


def finish_reason_of(generation: Generation) -> str | None:
    """A provider's word for how a reply ended, wherever its chat model keeps it; None where there is none."""
    metadata = getattr(getattr(generation, "message", None), "response_metadata", None) or {}
    for place in (generation.generation_info or {}, metadata):
        for name in _REASONS:
            if (value := place.get(name)) is not None:
                return str(getattr(value, "name", value))
    blocked = (metadata.get("prompt_feedback") or {}).get("block_reason")
    return "content_filter" if blocked else None


def reply_of(message: BaseMessage, reason: str | None) -> tuple[Reply, Ending]:
    """A model's message as a reply of ours, and how it ended.

    Args:
        message: As the chat model gives it, thoughts inline, in a field or in content blocks.
        reason: The server's finish reason.
    """
    ending = ending_of(reason)
    if ending == "complete" and getattr(message, "invalid_tool_calls", None):
        ending = "failed"  # the call cannot be read, so the rest of the message is not what the model meant
    if isinstance(message.content, str) and not message.additional_kwargs and not getattr(message, "tool_calls", ()):
        thought, answer, closed = split_thoughts(clean(message.content))
        return Reply.of(answer, thought), ending if closed or ending == "filtered" else "cut"
    found: list[Part] = []
    for part in _joined(_parts(message)):
        if not isinstance(part, Text):
            found.append(part)
            continue
        thought, answer, closed = split_thoughts(clean(part.text))
        found += [Reasoning(text=thought)] * bool(thought) + [Text(text=answer)] * bool(answer)
        ending = ending if closed or ending == "filtered" else "cut"
    thoughts = [part for part in found if isinstance(part, Reasoning)]
    content: Any = (*thoughts, *(part for part in found if not isinstance(part, Reasoning)))
    return Reply(messages=(Message(role="assistant", content=content or ""),)), ending


def _joined(parts: Iterable[Part]) -> Iterable[Part]:
    """Texts that follow each other as one: servers cut an answer into blocks anywhere, also within a word."""
    for is_text, group in itertools.groupby(parts, key=lambda part: isinstance(part, Text)):
        if is_text:
            yield Text(text="".join(part.text for part in group if isinstance(part, Text)))
        else:
            yield from group


def _parts(message: BaseMessage) -> Iterable[Part]:
    blocks: Sequence[Mapping[str, Any]] = message.content_blocks
    thought = message.additional_kwargs.get("reasoning_content")
    if isinstance(thought, str) and thought.strip() and all(block.get("type") != "reasoning" for block in blocks):
        yield Reasoning(text=clean(thought))
    for block in blocks:
        if (part := _part(block)) is not None:
            yield part


def _part(block: Mapping[str, Any]) -> Part | None:
    kind = block.get("type")
    if kind == "text":
        return Text(text=clean(str(block.get("text") or "")))
    if kind == "reasoning":
        text = clean(str(block.get("reasoning") or ""))
        return Reasoning(text=text) if text.strip() else None
    if kind == "tool_call":
        return ToolUse(id=block.get("id") or "", name=block["name"], args=block.get("args") or {})
    if kind == "non_standard" and (block.get("value") or {}).get("type") == "thinking":
        text = "".join(str(one.get("text", "")) for one in block["value"].get("thinking") or () if isinstance(one, Mapping))
        return Reasoning(text=clean(text)) if text.strip() else None
    return None


def clean(text: str) -> str:
    """Replace lone surrogates, which JSON can carry and UTF-8 files cannot."""
    return text.encode("utf-8", "replace").decode()


def keep_thoughts(result: ChatResult, response: Any) -> ChatResult:
    """Take over the thoughts that compatible servers send beside the content, where LangChain's OpenAI client drops them.

    Servers call the field `reasoning_content` (vLLM, SGLang, DeepSeek, llama.cpp) or `reasoning` (OpenRouter, Groq, newer vLLM).
    """
    choices = response.get("choices") if isinstance(response, dict) else getattr(response, "choices", None)
    for generation, choice in zip(result.generations, choices or (), strict=False):
        said = choice.get("message") if isinstance(choice, dict) else getattr(choice, "message", None)
        fields = said if isinstance(said, dict) else getattr(said, "model_extra", None) or {}
        thought = fields.get("reasoning_content") or fields.get("reasoning")
        if isinstance(thought, str) and thought:
            generation.message.additional_kwargs["reasoning_content"] = thought
    return result


def to_langchain(messages: Iterable[Message]) -> list[BaseMessage]:
    """A conversation as LangChain's messages; thoughts of earlier turns are left out, as chat templates do.

    Raises:
        DataError: A message has pictures.
    """
    return _pair_calls([converted for message in messages for converted in _convert(message)])


def _pair_calls(messages: list[BaseMessage]) -> list[BaseMessage]:
    """Give an id to calls and results that have none: endpoints pair them by it, files often by their order."""
    taken = {call["id"] for message in messages if isinstance(message, AIMessage) for call in message.tool_calls}
    new = (name for number in itertools.count(1) if (name := f"call_{number}") not in taken)
    unanswered: list[str] = []
    for message in messages:
        if isinstance(message, AIMessage):
            for call in message.tool_calls:
                call["id"] = name = call["id"] or next(new)
                unanswered.append(name)
        elif isinstance(message, ToolMessage):
            if not message.tool_call_id and unanswered:
                message.tool_call_id = unanswered[0]
            if message.tool_call_id in unanswered:
                unanswered.remove(message.tool_call_id)
    return messages


def _convert(message: Message) -> list[BaseMessage]:
    if any(isinstance(part, Image) for part in message.parts):
        raise DataError("this conversation has pictures, which no model can be shown yet: give a task without images")
    text = message.text
    if message.role == "tool":
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        if results:
            return [ToolMessage(content=_result(part), tool_call_id=part.id, name=message.name) for part in results]
        return [ToolMessage(content=text, tool_call_id="", name=message.name)]
    names = {"name": message.name} if message.name else {}
    if message.role == "system":
        return [SystemMessage(content=text, **names)]
    if message.role == "user":
        return [HumanMessage(content=text, **names)]
    calls = [part for part in message.parts if isinstance(part, ToolUse)]
    if calls:
        text = "\n\n".join(part.text for part in message.parts if isinstance(part, Text))
    return [AIMessage(content=text, tool_calls=[{"id": one.id, "name": one.name, "args": one.args} for one in calls], **names)]


def _result(part: ToolResult) -> str:
    return Message(role="tool", content=part.content).text
