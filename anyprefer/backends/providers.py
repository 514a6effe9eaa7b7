"""From a recipe's `provider:name` to a LangChain chat model.

`Backends` owns what the models share: the HTTP client and one provider for each prefix; it connects on first use and closes
everything at the end. Which provider a model has, `anyprefer.backends.registry` says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx2
from langchain_core.language_models import BaseChatModel
from openai import DefaultAioHttpClient

from anyprefer.backends.budget import Budget
from anyprefer.backends.caller import Caller
from anyprefer.backends.calls import CallStore, MemoryCalls
from anyprefer.backends.capabilities import Capabilities, Dialect
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.backends.endpoint import Endpoint
from anyprefer.backends.failures import model_errors
from anyprefer.backends.known import KnownEndpoints
from anyprefer.backends.probing import describe_endpoint, probe_of
from anyprefer.backends.provider import Connection, Host, Progress, Provider
from anyprefer.backends.rates import RateLimiter
from anyprefer.backends.registry import available_providers, load_provider
from anyprefer.backends.retry import Persistence
from anyprefer.config import Price, Recipe, RoleConfig, split_model
from anyprefer.errors import ConfigError, ModelUnavailableError
from anyprefer.redaction import keep_secret

_FREE = Price(prompt_usd=0.0, completion_usd=0.0)

PROBE_RETRIES = 2
"""Of the requests before the first task: an endpoint that fails more often should be looked at before anything is paid."""


class Backends:
    """The chat models of a recipe, by role.

    Args:
        recipe: Already checked.
        progress: Called with done and total bytes while weights are fetched.
        budget: What all models together may cost.

    Attributes:
        endpoints: Model identifier -> the gate that its calls go through.
        known: What is known of the endpoints; a run folder keeps it.

    Raises:
        ConfigError: An unknown provider, a missing key, or a budget in dollars without prices; nothing has been started.
    """

    def __init__(self, recipe: Recipe, progress: Progress | None = None, budget: Budget | None = None) -> None:
        self.recipe = recipe
        self.budget = budget
        self.endpoints: dict[str, Endpoint] = {}
        self.known = KnownEndpoints()
        self._http: httpx2.AsyncClient | None = None
        self._connections: dict[str, Connection] = {}
        self._limiters: dict[str, RateLimiter] = {}
        self._lock = asyncio.Lock()
        self._members = recipe.members()
        check_models(recipe)
        kinds = {name: _provider_class(name, config) for name, config in self._members.items()}
        for name, kind in kinds.items():
            keep_secret(self._members[name].api_key_env)
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

    def stronger_judge(self, calls: CallStore) -> ModelClient | None:
        """The client of the judge that is asked where the others are unsure; None where the recipe names none."""
        return None if self.recipe.judge.escalate is None else self.client("judge.escalate", calls)

    def generators(self, calls: CallStore) -> tuple[ModelClient, ...]:
        """The clients of the models that answer beside the target."""
        return tuple(self.client(name, calls) for name in self._members if name.startswith("sampling.generators."))

    def client(self, role: str, calls: CallStore) -> ModelClient:
        """The journalled client of a role; connects on its first request."""
        caller = self._caller(role, calls, self._members[role].max_retries)
        return ModelClient(role=role, model_id=caller.model_id, caller=caller, calls=calls, seed=self.recipe.run.seed)

    def _caller(self, role: str, calls: CallStore, max_retries: int) -> Caller:
        config, provider, identity = self._members[role], self._providers[role], self._identity(role)
        return Caller(
            role=role, model_id=identity, config=config, connect=self._connector(role), phrase=provider.options, calls=calls,
            endpoint=self._endpoint(identity, provider.slots), persistence=Persistence(max_retries, config.timeout_seconds),
            dialect=self._dialect(role), rates=self._rates(identity), price=self._price(role), budget=self.budget,
            count_tokens=self._token_counter(role) if provider.counts_tokens else None,
        )  # fmt: skip

    def _identity(self, role: str) -> str:
        config = self._members[role]
        return config.model if config.base_url is None else f"{config.model}@{config.base_url}"

    def _dialect(self, role: str) -> Dialect:
        return self.known.dialect(self._identity(role), self._providers[role].capabilities_of(self._members[role]))

    def capabilities(self) -> Mapping[str, Capabilities]:
        """Role -> what its model takes as far as is known, under the role's own wishes; of the roles that are at work."""
        return {role: self._dialect(role).known.under(self._members[role]) for role in self._roles_in_use()}

    def _endpoint(self, identity: str, slots: int | None) -> Endpoint:
        if identity not in self.endpoints:
            run = self.recipe.run
            self.endpoints[identity] = Endpoint(identity, slots or run.max_in_flight, run.outage_seconds)
        return self.endpoints[identity]

    def _rates(self, identity: str) -> RateLimiter:
        if identity not in self._limiters:
            self._limiters[identity] = RateLimiter.of(
                self._members[name] for name in self._members if self._identity(name) == identity
            )
        return self._limiters[identity]

    def _price(self, role: str) -> Price | None:
        return _FREE if self._providers[role].is_free else self.recipe.prices.get(self._members[role].model)

    def _check_prices(self) -> None:
        if unknown := sorted(self._members[name].model for name in self._roles_in_use() if self._price(name) is None):
            raise ConfigError(
                f'a budget in dollars needs the price of {unknown[0]!r}: add [prices."{unknown[0]}"] with prompt_usd and '
                "completion_usd (US dollars per million tokens) to the recipe, or give --budget-tokens instead"
            )

    async def start(
        self, calls: CallStore | None = None, *, remote_only: bool = False, roles: Sequence[str] | None = None
    ) -> None:
        """Connect every role and see that each model answers requests as they will be put.

        What is wrong stops the run before any work.

        Args:
            calls: Keeps what the small requests cost.
            remote_only: Leave out models that are served from here, which would have to be loaded first.
            roles: Those to start; None starts all that are at work.

        Raises:
            ModelUnavailableError: An endpoint does not answer.
            EndpointDownError: An endpoint knows neither the key nor the model.
            ModelRefusedError: It takes no request that this role can make.
            ModelFetchError: Weights cannot be fetched.
            ConfigError: The extra for embedded models is missing.
        """
        roles = [role for role in roles or self._roles_in_use() if not remote_only or self._is_remote(role)]
        for role in roles:
            await self._connector(role)()
        urls: dict[str, str] = {}
        for role in roles:
            if url := self._members[role].base_url:
                urls.setdefault(self._identity(role), url)
        await complete_all(self._describe(identity, url) for identity, url in urls.items())
        probes = [role for role in roles if self._is_remote(role)]
        await complete_all(self._probe(role, calls or MemoryCalls()) for role in probes)

    def _is_remote(self, role: str) -> bool:
        return self._providers[role].probes_of(self._members[role])

    async def _describe(self, identity: str, url: str) -> None:
        role = next(role for role in self._members if self._identity(role) == identity)
        dialect, config = self._dialect(role), self._members[role]
        key = self._providers[role].key_of(config)
        found = await describe_endpoint(self._http_client(), role, config, url, key, dialect.known)
        dialect.learn(found)

    async def _probe(self, role: str, calls: CallStore) -> None:
        """Try a role's requests, unless requests with the same features were answered before."""
        ask, caller = probe_of(role, self.recipe, self._members[role]), self._caller(role, calls, PROBE_RETRIES)
        async with self.known.probing(caller.model_id):
            if not caller.dialect.has_answered(caller.capabilities.used_by(ask)):
                await caller.probe(ask)

    def _roles_in_use(self) -> list[str]:
        recipe = self.recipe
        idle = set(recipe.idle_judges())
        if not (recipe.tools.names and recipe.aggregator.enabled):
            idle.add("aggregator")
        if not recipe.critic.enabled:
            idle.add("critic")
        if not recipe.rewrites:
            idle.add("rewriter")
        if recipe.sampling.existing:
            idle.add("target")
            idle |= {name for name in self._members if name.startswith("sampling.generators.")}
        return [name for name in self._members if name not in idle]

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
