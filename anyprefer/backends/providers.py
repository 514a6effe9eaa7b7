"""From a recipe's `provider:name` to a LangChain chat model.

Every provider ends in `ChatOpenAI` on the SDK's aiohttp transport. `Backends` owns what the models share: the HTTP client and
the embedded servers; it connects on first use and closes everything at the end.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from openai import DefaultAioHttpClient

from anyprefer.backends.budget import Budget
from anyprefer.backends.calls import CallStore
from anyprefer.backends.client import ModelClient, complete_all
from anyprefer.backends.embedded import EmbeddedServers
from anyprefer.backends.endpoint import Endpoint
from anyprefer.backends.failures import model_errors
from anyprefer.backends.messages import keep_thoughts
from anyprefer.backends.retry import Persistence
from anyprefer.backends.vllm import VllmModel, VllmServers
from anyprefer.backends.weights import resolve_weights
from anyprefer.config import Recipe, RoleConfig
from anyprefer.errors import ConfigError, ModelUnavailableError

PROVIDERS = ("openai", "llamacpp", "vllm")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LeanChat(ChatOpenAI):
    """`ChatOpenAI` that hands its request to the client library as it is.

    The library walks through every typed field of a request to rename keys that need no renaming; what goes in as `extra_body`
    it sends untouched. On loopback that is a sixth of a call's CPU time.
    """

    def _get_request_payload(self, input_: Any, *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        body = {"messages": payload.pop("messages"), **(payload.pop("extra_body", None) or {})}
        return {**payload, "messages": [], "extra_body": body}

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        return keep_thoughts(super()._create_chat_result(response, generation_info), response)


class Server(Protocol):
    """A server that was started here."""

    @property
    def running(self) -> bool:
        """Whether its process is there."""

    @property
    def url(self) -> str:
        """Its endpoint, ending in `/v1`."""


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

    def __init__(self, recipe: Recipe, progress: Callable[[int, int], None] | None = None, budget: Budget | None = None) -> None:
        self.recipe = recipe
        self.budget = budget
        self.endpoints: dict[str, Endpoint] = {}
        self._progress = progress
        self._servers = EmbeddedServers(recipe.embedded)
        self._http: httpx2.AsyncClient | None = None
        self._chats: dict[str, tuple[BaseChatModel, Server | None]] = {}
        self._lock = asyncio.Lock()
        self._members = recipe.members()
        for name, config in self._members.items():
            _check_role(name, config)
        started = [config.model for config in self._members.values() if _is_started_vllm(config)]
        models = [VllmModel.parse(model.partition(":")[2]) for model in started]
        self._vllm = VllmServers(recipe.vllm, models, self._http_client)
        if budget is not None and budget.max_usd is not None:
            self._check_prices()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the HTTP client and stop the embedded servers; harmless when nothing was started."""
        self._chats.clear()
        if self._http is not None:
            await self._http.aclose()
            self._http = None
        await self._servers.aclose()
        await self._vllm.aclose()

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
        counter = self._token_counter(role) if config.model.startswith("llamacpp:") else None
        return ModelClient(
            role=role, model_id=identity, connect=self._connector(role), calls=calls, seed=self.recipe.run.seed,
            params=config.model_dump(include={"temperature", "top_p", "max_tokens", "extra_body"}),
            endpoint=self._endpoint(identity), persistence=Persistence(config.max_retries, config.timeout_seconds),
            price=self.recipe.price(config.model), budget=self.budget, count_tokens=counter,
        )  # fmt: skip

    def _endpoint(self, identity: str) -> Endpoint:
        if identity not in self.endpoints:
            run = self.recipe.run
            ceiling = self.recipe.embedded.slots if identity.startswith("llamacpp:") else run.max_in_flight
            self.endpoints[identity] = Endpoint(identity, ceiling, run.outage_seconds)
        return self.endpoints[identity]

    def _check_prices(self) -> None:
        models = {self._members[name].model for name in self._roles_in_use()}
        if unknown := sorted(model for model in models if self.recipe.price(model) is None):
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
            chat, server = self._chats.get(role, (None, None))
            if chat is not None and (server is None or server.running):
                return chat
            async with self._lock:
                self._chats[role] = await self._open(role)
            return self._chats[role][0]

        return connect

    def _token_counter(self, role: str) -> Callable[[Sequence[str]], Awaitable[int]]:
        """llama.cpp's usage leaves out every choice but the first; its tokenizer gives the true number."""

        async def count(text: str) -> int:
            server = self._chats[role][1]
            if server is None:
                raise ModelUnavailableError(f"{role} has no embedded server that could count tokens")
            url = server.url
            with model_errors(role, self._members[role].model):
                reply = await self._http_client().post(f"{url.removesuffix('/v1')}/tokenize", json={"content": text})
                return len(reply.json()["tokens"])

        async def count_all(texts: Sequence[str]) -> int:
            return sum(await complete_all(count(text) for text in texts))

        return count_all

    async def _open(self, role: str) -> tuple[BaseChatModel, Server | None]:
        config = self._members[role]
        provider, _, name = config.model.partition(":")
        if provider == "llamacpp":
            weights = await asyncio.to_thread(resolve_weights, name, self._progress)
            server = await self._servers.acquire(weights)
            return self._chat(config, name, server.url, "none"), server
        if _is_started_vllm(config):
            model = VllmModel.parse(name)
            vllm = await self._vllm.acquire(model)
            return self._chat(config, model.served_name, vllm.url, "none"), vllm
        return self._chat(config, name, config.base_url, os.environ.get(config.api_key_env) or "none"), None

    def _chat(self, config: RoleConfig, name: str, base_url: str | None, key: str) -> BaseChatModel:
        options: dict[str, Any] = {"extra_body": config.extra_body} if config.extra_body else {}
        return LeanChat(
            model=name, base_url=base_url, api_key=lambda: key, http_async_client=self._http_client(),
            temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens,  # type: ignore[call-arg]  # alias
            timeout=config.timeout_seconds, max_retries=0, **options,
        )  # fmt: skip

    def _http_client(self) -> httpx2.AsyncClient:
        if self._http is None:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
            self._http = DefaultAioHttpClient(limits=limits)
        return self._http


def _is_started_vllm(config: RoleConfig) -> bool:
    return config.model.startswith("vllm:") and config.base_url is None


def _check_role(role: str, config: RoleConfig) -> None:
    provider, colon, name = config.model.partition(":")
    if provider not in PROVIDERS or not colon or not name:
        raise ConfigError(
            f"{role}.model = {config.model!r}: write provider:name, the provider being one of {', '.join(PROVIDERS)}; "
            "for example 'openai:gpt-4o' or 'llamacpp:qwen2.5-coder-1.5b'"
        )
    if provider == "llamacpp" or _is_started_vllm(config):
        return
    if config.base_url is not None and urlsplit(config.base_url).scheme not in ("http", "https"):
        raise ConfigError(f"{role}.base_url = {config.base_url!r}: give an http or https URL that ends in /v1")
    local = config.base_url is not None and urlsplit(config.base_url).hostname in _LOOPBACK
    if provider == "openai" and not local and not os.environ.get(config.api_key_env):
        raise ConfigError(
            f"{role}.model = {config.model!r} needs a key: set the environment variable {config.api_key_env}, "
            f"or name another one in {role}.api_key_env"
        )
