"""Chat models of endpoints that speak the OpenAI protocol."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI

from anyprefer.backends.asking import Ask
from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.failures import GOOD, BadReplyError, inner_status, read_error
from anyprefer.backends.messages import keep_thoughts
from anyprefer.backends.strict import strict_form
from anyprefer.config import RoleConfig
from anyprefer.errors import ConfigError
from anyprefer.redaction import quote

NO_KEY = "none"
"""Sent as the key to servers that need none."""


class LeanChat(ChatOpenAI):
    """`ChatOpenAI` that sends a body as it is given.

    The client library walks through every typed field of a request to rename keys that need no renaming; what goes in as
    `extra_body` it sends untouched. On loopback that is a sixth of a call's CPU time.
    """

    def _get_request_payload(self, input_: Any, *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        wire = kwargs.pop("wire", {})
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        body = {"messages": payload.pop("messages"), **(payload.pop("extra_body", None) or {}), **wire}
        return {**payload, "messages": [], "extra_body": body}

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        choices = whole_choices(response)
        result = super()._create_chat_result(response, generation_info)
        for generation, choice in zip(result.generations, choices, strict=True):
            # The library lets a choice without a reason inherit the one before it.
            generation.generation_info = {**(generation.generation_info or {}), "finish_reason": choice.get("finish_reason")}
        return keep_thoughts(result, response)


def whole_choices(response: Any) -> list[Mapping[str, Any]]:
    """The choices of a reply.

    Raises:
        BadReplyError: There are none, or they cannot be read: an error inside a reply that counts as good, half a body, a page.
    """
    found = response.model_dump(warnings=False) if hasattr(response, "model_dump") else response
    if not isinstance(found, Mapping):
        raise BadReplyError(read_error(None, None, or_else=f"a reply that is no JSON object: {found!r}"))
    choices = found.get("choices")
    if error := found.get("error"):
        raise BadReplyError(read_error(error, inner_status(error) or GOOD, or_else="an error without a message"))
    if not isinstance(choices, list) or not choices:
        raise BadReplyError(
            read_error(found if "message" in found else None, inner_status(found), or_else="a reply without choices")
        )
    for choice in choices:
        if not isinstance(choice, Mapping) or not isinstance(choice.get("message"), Mapping):
            raise BadReplyError(read_error(None, None, or_else="a choice without a message"))
        if isinstance(error := choice.get("error"), Mapping):
            raise BadReplyError(read_error(error, inner_status(error) or GOOD, or_else="a choice with an error"))
    return choices


def wire_of(ask: Ask, able: Capabilities) -> dict[str, Any]:
    """The fields of a request's body beside its model and its messages, as far as an endpoint takes them.

    Args:
        ask: What is wanted.
        able: What the endpoint takes.
    """
    wanted = {
        "temperature": ask.temperature, "top_p": ask.top_p, "seed": ask.seed, "n": ask.n if ask.n > 1 else None,
        "max_tokens": ask.max_tokens,
    }  # fmt: skip
    found: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None and name not in able.omit}
    if "max_tokens" in found:
        found[able.length_field] = found.pop("max_tokens")
    if ask.top_logprobs and able.top_logprobs:
        found |= {"logprobs": True, "top_logprobs": min(ask.top_logprobs, able.top_logprobs)}
    if ask.tools:
        found["tools"] = [tool if "function" in tool else {"type": "function", "function": tool} for tool in ask.tools]
    if ask.schema is not None and able.reply_format == "json_schema":
        form, strict = (ask.schema, True) if able.full_schemas else strict_form(ask.schema)
        schema = {"name": ask.schema["title"], "strict": strict, "schema": form if strict else ask.schema}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif ask.schema is not None and able.reply_format == "json_object":
        found["response_format"] = {"type": "json_object"}
    return {**found, **ask.extra_body}


def open_chat(config: RoleConfig, name: str, base_url: str | None, key: str, http: httpx2.AsyncClient) -> LeanChat:
    """A role's chat model, called `name` at an endpoint; what a request holds, and retries, are not its business."""
    return LeanChat(
        model=name, base_url=base_url, api_key=lambda: key, http_async_client=http, timeout=config.timeout_seconds, max_retries=0
    )


def check_key(role: str, config: RoleConfig) -> None:
    """Refuse a key that no request can carry, such as one with a line break behind it.

    Raises:
        ConfigError: Names the variable.
    """
    key = os.environ.get(config.api_key_env, "")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"{role}.api_key_env: the value of {config.api_key_env} holds a line break or a letter that no key has: set it again"
        )


def check_base_url(role: str, config: RoleConfig) -> None:
    """Refuse an address that is no URL, and one with a password, which every record would keep.

    Raises:
        ConfigError: Names the role and the fix.
    """
    if config.base_url is None:
        return
    try:
        parts = urlsplit(config.base_url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_url = False
    if not is_url:
        raise ConfigError(f"{role}.base_url = {quote(config.base_url)!r}: give an http or https URL that ends in /v1")
    if parts.password is not None:
        raise ConfigError(f"{role}.base_url holds a password: leave it out, keys come from the variable of {role}.api_key_env")
