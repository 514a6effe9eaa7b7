"""What a provider is: how the models behind one prefix of `provider:name` are checked, reached and counted.

A third-party package adds one with an entry point in the group `anyprefer.providers` that names a subclass of `Provider`; a
script or a notebook with `anyprefer.backends.registry.register_provider`.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import httpx2
from langchain_core.language_models import BaseChatModel

from anyprefer.backends.asking import Ask
from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.chat import wire_of
from anyprefer.config import Recipe, RoleConfig

Progress = Callable[[int, int], None]
"""Takes done and total bytes of a download."""


class Server(Protocol):
    """A server that was started here."""

    @property
    def running(self) -> bool:
        """Whether its process is there."""

    @property
    def url(self) -> str:
        """Its endpoint, ending in `/v1`."""


class Connection(NamedTuple):
    """An open model."""

    chat: BaseChatModel
    server: Server | None = None
    """The server behind it, if it was started here: once it is gone, the role is connected again."""


@dataclass(frozen=True)
class Host:
    """What a provider has from the `Backends` that it serves."""

    recipe: Recipe
    http: Callable[[], httpx2.AsyncClient]
    """Gives the HTTP client that all models share."""
    progress: Progress | None = None


class Provider:
    """The models behind one prefix; one instance serves all roles of a `Backends`. Only `open` must be written."""

    is_free: ClassVar[bool] = False
    """Whether its models cost nothing; any other's price stands in the recipe."""
    serves_adapters: ClassVar[bool] = False
    """Whether a name may be the folder of a LoRA adapter, which is served beside its base model."""
    counts_tokens: ClassVar[bool] = False
    """Whether replies are counted with `count_tokens`, for servers whose usage covers only the first of several choices."""

    def __init__(self, host: Host) -> None:
        self.host = host

    @classmethod
    def check_recipe(cls, role: str, recipe: Recipe) -> None:
        """See that a recipe asks nothing of a role's model that it cannot do; looks at nothing but the recipe.

        Raises:
            ConfigError: Names the key and the fix.
        """

    @classmethod
    def check_access(cls, role: str, config: RoleConfig) -> None:
        """See that a role's model can be reached from here, as far as that is known without asking it.

        Raises:
            ConfigError: A key is missing, or an address is none.
        """

    @classmethod
    def find_weights(cls, name: str) -> Path | None:
        """The GGUF file or the folder behind a model's name, fetched if need be; None where the weights are elsewhere.

        Raises:
            ModelFetchError: They cannot be fetched.
        """

    def capabilities_of(self, config: RoleConfig) -> Capabilities:
        """What a role's endpoint takes as far as that is known beforehand; the rest is tried and learned."""
        return Capabilities()

    def key_of(self, config: RoleConfig) -> str | None:
        """The key that a role's endpoint is asked for its models with; None sends none."""
        return os.environ.get(config.api_key_env)

    def probes_of(self, config: RoleConfig) -> bool:
        """Whether a role's endpoint is tried before the first task: one that is started here is known."""
        return True

    @property
    def slots(self) -> int | None:
        """Most calls to one model that it can work on at once; None leaves it at `run.max_in_flight`."""
        return None

    async def open(self, config: RoleConfig) -> Connection:
        """Reach the model of a role, starting what must be started.

        Raises:
            ModelUnavailableError: It cannot be reached.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how a model is reached: write its method open")

    def options(self, ask: Ask, able: Capabilities) -> dict[str, Any]:
        """A request, its messages apart, as keyword arguments of the chat model's `agenerate`.

        This one is for `LeanChat`, which `open_chat` makes; a provider of other chat models writes its own.

        Args:
            ask: What is wanted.
            able: What the endpoint takes.
        """
        return {"wire": wire_of(ask, able)}

    async def count_tokens(self, server: Server, text: str) -> int:
        """How many tokens a reply has."""
        raise NotImplementedError(f"{type(self).__name__} counts no tokens, though counts_tokens says so")

    async def aclose(self) -> None:
        """Stop what `open` has started; harmless when there is nothing, and the provider can be used again."""
