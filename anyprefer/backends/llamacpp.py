"""`llamacpp:NAME`: an embedded model, served by llama.cpp in a process that is started here."""

import asyncio
from pathlib import Path
from typing import ClassVar

from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.chat import NO_KEY, open_chat
from anyprefer.backends.embedded import EmbeddedServers
from anyprefer.backends.provider import Connection, Host, Provider, Server
from anyprefer.backends.weights import resolve_weights
from anyprefer.config import Recipe, RoleConfig
from anyprefer.errors import ConfigError


class LlamaCppProvider(Provider):
    """Fetches weights and starts one server for each file of them."""

    is_free: ClassVar[bool] = True
    counts_tokens: ClassVar[bool] = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._servers = EmbeddedServers(host.recipe.embedded)

    @classmethod
    def check_recipe(cls, role: str, recipe: Recipe) -> None:
        """Refuse more samples in one request than the server has slots.

        Raises:
            ConfigError: Names the keys.
        """
        samples = {
            "target": ("sampling.num_candidates", 1 if "n" in recipe.target.omit else recipe.sampling.num_candidates),
            "judge": ("tools.samples", recipe.tools.samples),
        }
        key, wanted = samples.get(role, ("", 1))
        if wanted > recipe.embedded.slots:
            raise ConfigError(
                f"embedded.slots = {recipe.embedded.slots} must be at least {key} = {wanted}: the embedded server refuses "
                "requests for more samples than it has slots"
            )

    @classmethod
    def find_weights(cls, name: str) -> Path | None:
        """Take a file as it is; a name of the catalogue is fetched."""
        return resolve_weights(name)

    def capabilities_of(self, config: RoleConfig) -> Capabilities:
        """Everything, within the context of a slot."""
        return Capabilities(full_schemas=True, usage=True, context_tokens=self.host.recipe.embedded.context_tokens)

    def probes_of(self, config: RoleConfig) -> bool:
        """No: the server is ours."""
        return False

    @property
    def slots(self) -> int | None:
        """Of one server."""
        return self.host.recipe.embedded.slots

    async def open(self, config: RoleConfig) -> Connection:
        """Start the server of the weights, unless it runs already."""
        weights = await asyncio.to_thread(resolve_weights, config.name_at_provider, self.host.progress)
        server = await self._servers.acquire(weights)
        return Connection(open_chat(config, config.name_at_provider, server.url, NO_KEY, self.host.http()), server)

    async def count_tokens(self, server: Server, text: str) -> int:
        """Ask the server's tokenizer."""
        reply = await self.host.http().post(f"{server.url.removesuffix('/v1')}/tokenize", json={"content": text})
        return len(reply.json()["tokens"])

    async def aclose(self) -> None:
        """Stop the servers."""
        await self._servers.aclose()
