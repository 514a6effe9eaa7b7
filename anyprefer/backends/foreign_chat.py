"""Any chat model of LangChain, asked as the loop asks.

What a model can be told is read from its class: the fields that it has (`temperature`, `seed`, `n`, ...), and the ways in which
LangChain holds it to a schema or gives it tools. Nothing here knows a provider.
"""

import json
import warnings
from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from anyprefer.backends.asking import Ask
from anyprefer.backends.capabilities import Capabilities, named_in
from anyprefer.backends.failures import Answer, BadReplyError, answer_of
from anyprefer.backends.logprobs import TOP
from anyprefer.backends.messages import finish_reason_of
from anyprefer.backends.strict import to_strict
from anyprefer.config import OptionalField
from anyprefer.errors import ModelRefusedError

SETTINGS: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "max_tokens": ("max_tokens", "max_output_tokens", "max_new_tokens", "num_predict"),
    "seed": ("seed", "random_seed"),
    "n": ("n", "candidate_count"),
    "timeout_seconds": ("timeout", "request_timeout"),
    "max_retries": ("max_retries",),
    "base_url": ("base_url", "endpoint_url", "endpoint"),
    "api_key": ("api_key",),
    "model": ("model", "model_name", "model_id"),
}
"""What we call a setting -> what the classes call it."""

_METHODS = {"json_schema": "json_schema", "json_object": "json_mode"}
"""How a model is held to a schema -> LangChain's name for it."""

_FORM = {
    "title": "Form", "description": "A form.", "type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"],
    "additionalProperties": False,
}  # fmt: skip
_TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {**_FORM, "title": "look"}}}

_UNABLE = (NotImplementedError, ValueError, TypeError, AttributeError)
"""What classes raise that cannot do what is asked of every chat model."""


class ForeignChat(BaseChatModel):
    """A chat model of LangChain that takes requests as `LangChainProvider.options` hands them on."""

    inner: BaseChatModel
    always: dict[str, Any] = Field(default_factory=dict)
    """Options that go with every request."""

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **request: Any,
    ) -> ChatResult:  # fmt: skip
        chat, options = put_request(self.inner, request["ask"], request["able"])
        return _read_result(chat._generate(messages, stop, **self.always, **options), options, request["ask"])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None, **request: Any,
    ) -> ChatResult:  # fmt: skip
        ask, able = request["ask"], request["able"]
        try:
            chat, options = put_request(self.inner, ask, able)
            result = await chat._agenerate(messages, stop, **self.always, **options)
        except Exception as error:
            if (answer := _answer_in(error, able.used_by(ask))) is None:
                raise
            raise BadReplyError(answer) from error
        return _read_result(result, options, ask)


def _answer_in(error: Exception, used: frozenset[str]) -> Answer | None:
    """What an endpoint answered, or what its class answers on its behalf when it refuses a request; None of any other error."""
    if (answer := answer_of(error)) is not None or not isinstance(error, ValueError | TypeError | NotImplementedError):
        return answer
    said = str(error)
    return Answer(400, said) if named_in(ModelRefusedError("", said=said), used) else None


def field_of(kind: type[BaseChatModel], setting: str) -> str | None:
    """The field of a class that holds one of `SETTINGS`; None where it has none."""
    return next((found for name in SETTINGS[setting] if (found := field_called(kind, name))), None)


def field_called(kind: type[BaseChatModel], name: str) -> str | None:
    """The field with this name or alias."""
    fields = kind.model_fields
    return name if name in fields else next((field for field, info in fields.items() if info.alias == name), None)


def express(chat: BaseChatModel) -> Capabilities:
    """What a model can be told at all; what its endpoint makes of it is tried and learned."""
    kind = type(chat)
    optional: tuple[OptionalField, ...] = ("max_tokens", "seed", "temperature", "top_p")
    has_logprobs = field_called(kind, "logprobs") and field_called(kind, "top_logprobs")
    profile: Mapping[str, Any] = getattr(chat, "profile", None) or {}
    return Capabilities(
        reply_format="json_schema" if _hold(chat, _FORM, "json_schema") else "text",
        max_n=None if field_of(kind, "n") else 1, top_logprobs=TOP if has_logprobs else 0, tools=bool(_equip(chat, [_TOOL])),
        omit=tuple(name for name in optional if not field_of(kind, name)),
        context_tokens=getattr(chat, "num_ctx", None) or profile.get("max_input_tokens"), images=profile.get("image_inputs"),
    )  # fmt: skip


def put_request(chat: BaseChatModel, ask: Ask, able: Capabilities) -> tuple[BaseChatModel, dict[str, Any]]:
    """A model set for one request, and the options that go with it.

    Settings are fields of a copy, since not every class takes them with a request. The default of `top_p` is left unsaid: it
    changes nothing, and some endpoints take it or the temperature but not both.
    """
    settings = {"temperature": ask.temperature, "top_p": ask.top_p if ask.top_p < 1 else None, "seed": ask.seed}
    settings = {name: None if name in able.omit else value for name, value in settings.items()}
    settings |= {"n": ask.n} if ask.n > 1 else {}
    settings |= {} if "max_tokens" in able.omit else {"max_tokens": ask.max_tokens}
    changes: dict[str, Any] = {field: value for name, value in settings.items() if (field := field_of(type(chat), name))}
    if ask.top_logprobs and able.top_logprobs:
        changes |= {"logprobs": True, "top_logprobs": min(ask.top_logprobs, able.top_logprobs)}
    options: dict[str, Any] = {}
    if ask.tools and not able.tools:
        raise NotImplementedError(f"{type(chat).__name__} takes no tools")
    if ask.tools:
        options |= _equip(chat, [tool if "function" in tool else {"type": "function", "function": tool} for tool in ask.tools])
    if ask.schema is not None and able.reply_format != "text":
        form = ask.schema if able.full_schemas else to_strict(ask.schema)
        options |= _hold(chat, {"description": form["title"], **form}, able.reply_format)
    return chat.model_copy(update=changes), options


def _hold(chat: BaseChatModel, form: dict[str, Any], reply_format: str) -> dict[str, Any]:
    """The options that hold a model to a schema, by the call of a tool if its class knows nothing better; none if it cannot."""
    ways: tuple[dict[str, Any], ...] = ({"method": _METHODS[reply_format]}, {})
    for way in ways if reply_format == "json_schema" else ways[:1]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _bound(chat.with_structured_output(form, **way))
        except _UNABLE:
            continue
    return {}


def _equip(chat: BaseChatModel, tools: list[dict[str, Any]]) -> dict[str, Any]:
    """The options that give a model tools; none if it cannot have any."""
    try:
        return _bound(chat.bind_tools(tools))
    except _UNABLE:
        return {}


def _bound(runnable: Any) -> dict[str, Any]:
    """The options that LangChain has bound to the model at the start of a chain."""
    while not hasattr(runnable, "kwargs"):
        runnable = runnable.first
    return {name: value for name, value in runnable.kwargs.items() if name != "ls_structured_output_format"}


def _read_result(result: ChatResult, options: Mapping[str, Any], ask: Ask) -> ChatResult:
    """The reply as compatible endpoints would give it: log-probabilities in their place, a form as text."""
    by_tool = ask.schema is not None and not ask.tools and "tools" in options
    found = [_as_text(generation) if by_tool else generation for generation in result.generations]
    for generation in found:
        is_empty = not generation.message.content and not getattr(generation.message, "tool_calls", ())
        if is_empty and finish_reason_of(generation) is None and not result.llm_output:
            raise BadReplyError(Answer(None, "a reply that says nothing, not even why it ended"))
        info = generation.generation_info or {}
        if isinstance(info.get("logprobs"), list):
            generation.generation_info = {**info, "logprobs": {"content": info["logprobs"]}}
    return ChatResult(generations=found, llm_output=result.llm_output)


def _as_text(generation: ChatGeneration) -> ChatGeneration:
    """A form that came as the call of a tool, as the text that says it."""
    message = generation.message
    calls = getattr(message, "tool_calls", ())
    if not calls:
        return generation
    blocks = [one for one in message.content if isinstance(one, dict) and one.get("type") not in ("text", "tool_use")]
    text = {"type": "text", "text": json.dumps(calls[0]["args"], ensure_ascii=False)}
    said = message.model_copy(update={"content": [*blocks, text], "tool_calls": []})
    return ChatGeneration(message=said, generation_info=generation.generation_info)
