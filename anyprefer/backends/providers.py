"""From a recipe's `provider:name` to a LangChain chat model.

`Backends` owns what the models share: the HTTP client and one provider for each prefix; it connects on first use and closes
everything at the end. Which provider a model has, `anyprefer.backends.registry` says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

import httpx2
from langchain_core.language_models import BaseChatModel
from openai import DefaultAioHttpClient

from anyprefer.backends.budget import Budget
from anyprefer.backends.calls import CallStore
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.backends.endpoint import Endpoint
from anyprefer.backends.failures import model_errors
from anyprefer.backends.provider import Connection, Host, Progress, Provider
from anyprefer.backends.registry import available_providers, load_provider
from anyprefer.backends.retry import Persistence
from anyprefer.config import Price, Recipe, RoleConfig, split_model
from anyprefer.errors import ConfigError, ModelUnavailableError

_FREE = Price(prompt_usd=0.0, completion_usd=0.0)


class Backends:
    """The chat models of a recipe, by role.

    Args:
        recipe: Already checked.
        progress: Called with done and total bytes while weights are fetched.
        budget: What all models together may cost.

    Attributes:
        endpoints: Model identifier -> the gate that its calls go through.

    Raises:
        ConfigError: An unknown provider, a missing key, or a budget in dollars without prices; nothing has been started.
    """

    def __init__(self, recipe: Recipe, progress: Progress | None = None, budget: Budget | None = None) -> None:
        self.recipe = recipe
        self.budget = budget
        self.endpoints: dict[str, Endpoint] = {}
        self._http: httpx2.AsyncClient | None = None
        self._connections: dict[str, Connection] = {}
        self._lock = asyncio.Lock()
        self._members = recipe.members()
        check_models(recipe)
        kinds = {name: _provider_class(name, config) for name, config in self._members.items()}
        for name, kind in kinds.items():
            kind.check_access(name, self._members[name])
        host = Host(recipe, self._http_client, progress)
        made = {kind: kind(host) for kind in dict.fromkeys(kinds.values())}
        self._providers = {name: made[kind] for name, kind in kinds.items()}
        if budget is not None and budget.max_usd is not None:
            self._check_prices()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the HTTP client and stop the servers that were started; harmless when nothing was."""
        self._connections.clear()
        if self._http is not None:
            await self._http.aclose()
            self._http = None
        for provider in set(self._providers.values()):
            await provider.aclose()

    def panel(self, calls: CallStore) -> tuple[ModelClient, ...]:
        """The clients of the judges beside the judge itself."""
        return tuple(self.client(name, calls) for name in self._members if name.startswith("judge.panel."))

    def generators(self, calls: CallStore) -> tuple[ModelClient, ...]:
        """The clients of the models that answer beside the target."""
        return tuple(self.client(name, calls) for name in self._members if name.startswith("sampling.generators."))

    def client(self, role: str, calls: CallStore) -> ModelClient:
        """The journalled client of a role; connects on its first request."""
        config = self._members[role]
        identity = config.model if config.base_url is None else f"{config.model}@{config.base_url}"
        provider, persistence = self._providers[role], Persistence(config.max_retries, config.timeout_seconds)
        counter = self._token_counter(role) if provider.counts_tokens else None
        return ModelClient(
            role=role, model_id=identity, connect=self._connector(role), calls=calls, seed=self.recipe.run.seed,
            params=config.model_dump(include={"temperature", "top_p", "max_tokens", "extra_body"}),
            endpoint=self._endpoint(identity, provider.slots), persistence=persistence, price=self._price(role),
            budget=self.budget, count_tokens=counter,
        )  # fmt: skip

    def _endpoint(self, identity: str, slots: int | None) -> Endpoint:
        if identity not in self.endpoints:
            run = self.recipe.run
            self.endpoints[identity] = Endpoint(identity, slots or run.max_in_flight, run.outage_seconds)
        return self.endpoints[identity]

    def _price(self, role: str) -> Price | None:
        return _FREE if self._providers[role].is_free else self.recipe.prices.get(self._members[role].model)

    def _check_prices(self) -> None:
        if unknown := sorted(self._members[name].model for name in self._roles_in_use() if self._price(name) is None):
            raise ConfigError(
                f'a budget in dollars needs the price of {unknown[0]!r}: add [prices."{unknown[0]}"] with prompt_usd and '
                "completion_usd (US dollars per million tokens) to the recipe, or give --budget-tokens instead"
            )

    async def start(self) -> None:
        """Connect every role and see that each endpoint answers, so that a dead one stops the run before any work.

        Raises:
            ModelUnavailableError: An endpoint refuses connections.
            ModelFetchError: Weights cannot be fetched.
            ConfigError: The extra for embedded models is missing.
        """
        for role in self._roles_in_use():
            await self._connector(role)()
        urls = {config.base_url for role in self._roles_in_use() if (config := self._members[role]).base_url}
        await asyncio.gather(*(self._probe(url) for url in sorted(urls)))

    def _roles_in_use(self) -> list[str]:
        recipe = self.recipe
        idle = set()
        if not (recipe.tools.names and recipe.aggregator.enabled):
            idle.add("aggregator")
        if not recipe.critic.enabled:
            idle.add("critic")
        if recipe.loop.feedback == "none" or recipe.loop.max_rounds == 0:
            idle.add("rewriter")
        return [name for name in self._members if name not in idle]

    async def _probe(self, base_url: str) -> None:
        """Any HTTP answer will do: some servers have no model list."""
        try:
            await self._http_client().get(f"{base_url.rstrip('/')}/models", timeout=10)
        except httpx2.HTTPError as error:
            raise ModelUnavailableError(
                f"endpoint {base_url!r} does not answer ({type(error).__name__}: {error}): start the server or correct base_url"
            ) from error

    def _connector(self, role: str) -> Callable[[], Awaitable[BaseChatModel]]:
        async def connect() -> BaseChatModel:
            found = self._connections.get(role)
            if found is not None and (found.server is None or found.server.running):
                return found.chat
            config = self._members[role]
            async with self._lock:
                self._connections[role] = await self._providers[role].open(config)
            return self._connections[role].chat

        return connect

    def _token_counter(self, role: str) -> Callable[[Sequence[str]], Awaitable[int]]:
        async def count(text: str) -> int:
            server = self._connections[role].server
            if server is None:
                raise ModelUnavailableError(f"{role} has no server that could count tokens")
            with model_errors(role, self._members[role].model):
                return await self._providers[role].count_tokens(server, text)

        async def count_all(texts: Sequence[str]) -> int:
            return sum(await complete_all(count(text) for text in texts))

        return count_all

    def _http_client(self) -> httpx2.AsyncClient:
        if self._http is None:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
            self._http = DefaultAioHttpClient(limits=limits)
        return self._http


def check_models(recipe: Recipe) -> None:
    """See that every role names a model of a known provider and asks nothing of it that it cannot do.

    Raises:
        ConfigError: Names the key, the value and the fix.
    """
    for role, config in recipe.members().items():
        _provider_class(role, config).check_recipe(role, recipe)


def _provider_class(role: str, config: RoleConfig) -> type[Provider]:
    name = split_model(config.model)
    found = load_provider(name.provider) if name else None
    if found is None:
        known = ", ".join(available_providers())
        raise ConfigError(
            f"{role}.model = {config.model!r}: write provider:name, the provider being one of {known}; "
            "for example 'openai:gpt-4o' or 'llamacpp:qwen2.5-coder-1.5b'"
        )
    return found
