"""The registry of providers: those of this and of other packages, by prefix, imported only when a recipe names them."""

import inspect
from typing import Any

from anyprefer.backends.provider import Provider
from anyprefer.errors import ConfigError
from anyprefer.registry import Registry

PROVIDERS: Registry[type[Provider]] = Registry(
    kind="provider of models",
    group="anyprefer.providers",
    built_in={
        "chat": "anyprefer.backends.langchain:LangChainProvider",
        "llamacpp": "anyprefer.backends.llamacpp:LlamaCppProvider",
        "openai": "anyprefer.backends.openai:OpenAIProvider",
        "vllm": "anyprefer.backends.vllm:VllmProvider",
    },
)
"""Prefix of a model's name -> the provider's class."""


def register_provider(prefix: str, provider: type[Provider]) -> None:
    """Make a class the provider of `prefix:...` models in this process; registering it again replaces it.

    Raises:
        ConfigError: The prefix is built in, empty or holds a colon, or the class is no provider.
    """
    if not prefix or ":" in prefix:
        raise ConfigError(f"the prefix {prefix!r} cannot be registered: take a word without a colon")
    PROVIDERS.register(prefix, _check_provider(prefix, provider))


def available_providers() -> list[str]:
    """Every prefix that a model's name may have, without importing anything."""
    return sorted(PROVIDERS.names())


def load_provider(prefix: str) -> type[Provider] | None:
    """Import a provider by its prefix; None where there is none.

    Raises:
        ConfigError: Two packages claim the prefix, it cannot be imported, or it is no provider.
    """
    return _check_provider(prefix, PROVIDERS.load(prefix, "model")) if prefix in PROVIDERS else None


def _check_provider(prefix: str, found: Any) -> type[Provider]:
    if not inspect.isclass(found) or not issubclass(found, Provider):
        raise ConfigError(f"the provider of {prefix!r} is {found!r}: make it a subclass of anyprefer.backends.provider.Provider")
    if found.open is Provider.open:
        raise ConfigError(f"the provider of {prefix!r}, {found.__name__}, lacks the method open")
    return found
