"""The registry of providers: those of this and of other packages, by prefix, imported only when a recipe names them."""

import inspect
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from anyprefer.backends.provider import Provider
from anyprefer.errors import ConfigError

ENTRY_POINTS = "anyprefer.providers"
"""The entry-point group in which other packages register providers."""

BUILT_IN = {
    "llamacpp": "anyprefer.backends.llamacpp:LlamaCppProvider",
    "openai": "anyprefer.backends.openai:OpenAIProvider",
    "vllm": "anyprefer.backends.vllm:VllmProvider",
}
"""Prefix -> import path. A built-in prefix cannot be taken by another package."""

_registered: dict[str, type[Provider]] = {}


def register_provider(prefix: str, provider: type[Provider]) -> None:
    """Make a class the provider of `prefix:...` models in this process; registering it again replaces it.

    Raises:
        ConfigError: The prefix is built in, empty or holds a colon, or the class is no provider.
    """
    if prefix in BUILT_IN or not prefix or ":" in prefix:
        raise ConfigError(f"the prefix {prefix!r} cannot be registered: take a word that is none of {', '.join(BUILT_IN)}")
    _registered[prefix] = _check_provider(prefix, provider)


def available_providers() -> list[str]:
    """Every prefix that a model's name may have, without importing anything."""
    return sorted({*BUILT_IN, *_registered, *(point.name for point in entry_points(group=ENTRY_POINTS))})


def load_provider(prefix: str) -> type[Provider] | None:
    """Import a provider by its prefix; None where there is none.

    Raises:
        ConfigError: Two packages claim the prefix, it cannot be imported, or it is no provider.
    """
    if prefix in _registered:
        return _registered[prefix]
    claims = {point.value for point in entry_points(group=ENTRY_POINTS, name=prefix)}
    if prefix not in BUILT_IN and len(claims) > 1:
        raise ConfigError(f"models of {prefix!r} are claimed by {' and '.join(sorted(claims))}; uninstall all but one")
    path = BUILT_IN.get(prefix) or next(iter(claims), None)
    return None if path is None else _check_provider(prefix, _import_object(prefix, path))


def _import_object(prefix: str, path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module.strip()), attribute.strip())
    except Exception as error:
        raise ConfigError(
            f"the provider of {prefix!r} ({path}) cannot be imported: {type(error).__name__}: {error}; mend or uninstall its "
            "package"
        ) from error


def _check_provider(prefix: str, found: Any) -> type[Provider]:
    if not inspect.isclass(found) or not issubclass(found, Provider):
        raise ConfigError(f"the provider of {prefix!r} is {found!r}: make it a subclass of anyprefer.backends.provider.Provider")
    if found.open is Provider.open:
        raise ConfigError(f"the provider of {prefix!r}, {found.__name__}, lacks the method open")
    return found
