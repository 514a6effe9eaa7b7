"""`chat:PROVIDER:NAME`: any chat model of LangChain, such as `chat:anthropic:claude-sonnet-4-5` or `chat:ollama:qwen3:8b`.

PROVIDER is a name that LangChain knows, or the import path of a class, `package.module.ChatClass`.
"""

import importlib
import inspect
import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import SecretStr, ValidationError

from anyprefer.backends.asking import Ask
from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.chat import NO_KEY, check_base_url, check_key
from anyprefer.backends.foreign_chat import SETTINGS, ForeignChat, express, field_called, field_of
from anyprefer.backends.provider import Connection, Host, Provider
from anyprefer.config import Recipe, RoleConfig
from anyprefer.errors import ConfigError
from anyprefer.redaction import quote

PREFIX = "chat"

_INSTALL = "pip install 'anyprefer[langchain]'"

_ALWAYS: dict[str, dict[str, Any]] = {"ollama": {"stream": False}}
"""Provider -> options of every request. Ollama's replies would come as streams, and of those nobody notices a missing end."""

_KINDS: dict[str, type[BaseChatModel]] = {}
"""Provider -> the class of its models, which tells what can be set. Only a model that was made tells it."""

_OTHERS_KEY: str = RoleConfig.model_fields["api_key_env"].default
"""The variable of `openai:` models; unless a recipe names another one, a class looks for its key where it always does."""


class LangChainProvider(Provider):
    """Opens the chat models of LangChain's providers."""

    def __init__(self, host: Host) -> None:
        """Make the models, which sends nothing, and see that they have keys.

        Raises:
            ConfigError: A package is missing, a class refuses a setting, or there is no key.
        """
        super().__init__(host)
        self._chats: dict[str, BaseChatModel] = {}
        for role, config in host.recipe.members().items():
            if config.model.startswith(f"{PREFIX}:"):
                self._chat(role, config)

    @classmethod
    def check_recipe(cls, role: str, recipe: Recipe) -> None:
        """Refuse a name without a provider.

        Raises:
            ConfigError: Names the key and the form.
        """
        _split(role, recipe.members()[role])

    @classmethod
    def check_access(cls, role: str, config: RoleConfig) -> None:
        """Refuse what is no URL, and a key that the recipe names and nobody has set.

        Raises:
            ConfigError: Names the role and the fix.
        """
        check_base_url(role, config)
        find_key(role, config)

    def capabilities_of(self, config: RoleConfig) -> Capabilities:
        """What the class can be told."""
        return express(self._chat("role", config))

    def key_of(self, config: RoleConfig) -> str | None:
        """None: what other protocols list, and with which key, is their classes' business."""
        return None

    async def open(self, config: RoleConfig) -> Connection:
        """Make the chat model; nothing is sent yet."""
        chat = self._chat("role", config)
        _share_http(chat, self.host.http())
        return Connection(ForeignChat(inner=chat, always=_ALWAYS.get(_split("role", config)[0], {})))

    def _chat(self, role: str, config: RoleConfig) -> BaseChatModel:
        """One model for all roles that reach it in the same way: what differs between them comes with the requests."""
        way = config.model_dump_json(include={"model", "base_url", "api_key_env", "timeout_seconds", "extra_body"})
        if way not in self._chats:
            self._chats[way] = build_chat(role, config)
        return self._chats[way]

    def options(self, ask: Ask, able: Capabilities) -> dict[str, Any]:
        """The request as it is: `ForeignChat` knows the model that it is put to."""
        return {"ask": ask, "able": able}

    async def aclose(self) -> None:
        """Close the connections that models keep for themselves."""
        chats, self._chats = self._chats, {}
        for chat in chats.values():
            await _close(chat)


def build_chat(role: str, config: RoleConfig) -> BaseChatModel:
    """A role's chat model, set up as its recipe says; its retries are ours, and what a request holds comes with the request.

    Raises:
        ConfigError: A package is missing, the class refuses a setting, or there is no key.
    """
    provider, name = _split(role, config)
    key = find_key(role, config)
    make = partial(_maker(role, config, provider), name)
    if provider not in _KINDS:
        _KINDS[provider] = type(_make(role, config, make, {"api_key": key} if key else {}))
    chat = _make(role, config, make, _settings(role, config, _KINDS[provider], key))
    secrets = {variable: getattr(chat, field, None) for field, variable in chat.lc_secrets.items()}
    keys = {variable: bool(one.get_secret_value()) for variable, one in secrets.items() if isinstance(one, SecretStr)}
    if keys and not any(keys.values()):
        raise _no_key(role, config, keys)
    return chat


def _split(role: str, config: RoleConfig) -> tuple[str, str]:
    provider, _, name = config.name_at_provider.partition(":")
    if not provider or not name:
        raise ConfigError(
            f"{role}.model = {config.model!r}: write chat:PROVIDER:NAME, such as 'chat:anthropic:claude-sonnet-4-5', "
            "'chat:google_genai:gemini-2.5-flash', 'chat:ollama:qwen3:8b' or 'chat:package.module.ChatClass:NAME'"
        )
    return provider, name


def _maker(role: str, config: RoleConfig, provider: str) -> Callable[..., BaseChatModel]:
    """What makes a provider's models from their name and settings."""
    module, _, name = provider.rpartition(".")
    try:
        if not module:
            return partial(importlib.import_module("langchain.chat_models").init_chat_model, model_provider=provider)
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        if not module:
            raise _missing(role, config, error) from error
        raise ConfigError(f"{role}.model = {config.model!r}: {provider!r} cannot be imported ({error})") from error
    if not inspect.isclass(kind) or not issubclass(kind, BaseChatModel):
        raise ConfigError(f"{role}.model = {config.model!r}: {provider!r} is no chat model of LangChain")
    return partial(_of_class, kind)


def _of_class(kind: type[BaseChatModel], model: str, **settings: Any) -> BaseChatModel:
    settings[_init_name(kind, "model") or "model"] = model
    return kind(**settings)


def _make(role: str, config: RoleConfig, make: Callable[..., BaseChatModel], settings: dict[str, Any]) -> BaseChatModel:
    """Make a model, which is when classes look for packages and keys."""
    try:
        return make(**settings)
    except ImportError as error:
        raise _missing(role, config, error) from error
    except Exception as error:
        if isinstance(error, ValidationError):  # its own text holds what was given, keys included
            problems = error.errors(include_url=False, include_input=False)
            said = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in problems)
        else:
            said = str(error)
        if "api" in said.lower() and "key" in said.lower():
            raise _no_key(role, config, (), quote(said)) from error
        raise ConfigError(f"{role}.model = {config.model!r} cannot be set up: {quote(said, 800)}") from error


def _settings(role: str, config: RoleConfig, kind: type[BaseChatModel], key: str | None) -> dict[str, Any]:
    """What a class is made with: connection, limits, and the recipe's `extra_body`."""
    wanted = {"base_url": config.base_url, "timeout_seconds": config.timeout_seconds, "max_retries": 0}
    found: dict[str, Any] = {
        field: value for name, value in wanted.items() if value is not None and (field := _init_name(kind, name))
    }
    if config.base_url and not _init_name(kind, "base_url"):
        raise ConfigError(f"{role}.base_url = {config.base_url!r}: {kind.__name__} cannot be sent elsewhere, leave it out")
    if key and (name := _init_name(kind, "api_key")):
        found[name] = key
    elif key and field_called(kind, "client_kwargs"):
        found["client_kwargs"] = {"headers": {"Authorization": f"Bearer {key}"}}
    elif key and key != NO_KEY:
        raise ConfigError(f"{role}.api_key_env = {config.api_key_env!r}: {kind.__name__} takes no key, leave it out")
    return found | _extras(role, config, kind)


def _extras(role: str, config: RoleConfig, kind: type[BaseChatModel]) -> dict[str, Any]:
    """The recipe's `extra_body`: fields of the class, or fields of a request where the class sends what it does not know."""
    secrets = {field for field, info in kind.model_fields.items() if "SecretStr" in str(info.annotation)}
    ours = {name: setting for setting in SETTINGS if (name := field_of(kind, setting))}
    extras: dict[str, Any] = {}
    for name, value in config.extra_body.items():
        field = field_called(kind, name)
        if field and (field in ours or field in secrets):
            key = ours.get(field, "api_key").replace("api_key", "api_key_env")
            raise ConfigError(f"{role}.extra_body.{name}: write it as {role}.{key}")
        if field in BaseChatModel.model_fields:
            raise ConfigError(f"{role}.extra_body.{name}: {kind.__name__} keeps it for itself and sends it to nobody")
        if field:
            extras[name] = value
        elif field_called(kind, "model_kwargs"):
            extras.setdefault("model_kwargs", {})[name] = value
        else:
            raise ConfigError(f"{role}.extra_body.{name}: {kind.__name__} has no such setting")
    return extras


def _init_name(kind: type[BaseChatModel], setting: str) -> str | None:
    """What a constructor calls a setting: classes with aliases do not always take the field's own name."""
    field = field_of(kind, setting)
    return None if field is None else kind.model_fields[field].alias or field


def find_key(role: str, config: RoleConfig) -> str | None:
    """The key that a recipe names; None leaves a class to its own variable, but never for the address of a recipe.

    A key belongs to one host. An address that a recipe gives gets the key of a variable that it names, or none.

    Raises:
        ConfigError: The recipe names a variable that is not set, or holds no key.
    """
    if config.api_key_env == _OTHERS_KEY:
        return NO_KEY if config.base_url else None
    check_key(role, config)
    key = os.environ.get(config.api_key_env)
    if not key:
        raise _no_key(role, config, [config.api_key_env])
    return key


def _no_key(role: str, config: RoleConfig, variables: Iterable[str], said: str = "") -> ConfigError:
    names = " or ".join(variables)
    what = f"set the environment variable {names}" if names else "set its environment variable"
    return ConfigError(
        f"{role}.model = {config.model!r} needs a key: {what}, or name another one in {role}.api_key_env"
        + (f" (it says: {said})" if said else "")
    )


def _missing(role: str, config: RoleConfig, error: Exception) -> ConfigError:
    module = getattr(error.__cause__ or error, "name", "") or ""
    package = module.partition(".")[0].replace("_", "-")
    more = f" {package}" if package.startswith("langchain-") else ""
    return ConfigError(f"{role}.model = {config.model!r} needs a package that is missing here: {_INSTALL}{more}")


def _share_http(chat: Any, http: httpx2.AsyncClient) -> None:
    """Give a model the connections that all models share, where its class can take them.

    Two classes would keep theirs for the whole process, beyond the event loop that they belong to.
    """
    if isinstance(chat, BaseChatOpenAI):
        chat.root_async_client = chat.root_async_client.copy(http_client=http)
        chat.async_client = chat.root_async_client.chat.completions
    elif type(chat).__module__.startswith("langchain_anthropic."):
        anthropic = importlib.import_module("anthropic")
        chat.__dict__["_async_client"] = anthropic.AsyncAnthropic(**chat._client_params, http_client=http)


async def _close(chat: Any) -> None:
    if isinstance(chat, BaseChatOpenAI) or "_async_client" in vars(chat):
        return  # they share ours
    for owner in (chat, getattr(chat, "_async_client", None), getattr(chat, "async_client", None)):
        close = getattr(owner, "aclose", None) or getattr(owner, "close", None)
        if callable(close):
            done = close()
            if inspect.isawaitable(done):
                await done
            return
