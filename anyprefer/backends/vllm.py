"""`vllm:NAME`: a model of a vLLM server, running already or started, watched and stopped here.

There is one server per base model, with the adapters of all roles that use it.
"""

import asyncio
import hashlib
import json
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx2

from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.chat import NO_KEY, check_base_url, check_key, open_chat
from anyprefer.backends.hub_folder import find_model_folder
from anyprefer.backends.provider import Connection, Host, Provider
from anyprefer.backends.served import list_entries
from anyprefer.config import RoleConfig, VllmConfig, split_model
from anyprefer.errors import ConfigError, ModelFetchError, ModelUnavailableError
from anyprefer.redaction import quote

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
_STOP_SECONDS = 20.0
_TAIL_BYTES = 8192
_TAIL_LINES = 8
_LIST_SECONDS = 10.0
_LOAD_SECONDS = 120.0
_TRAINED_FILES = ("*.safetensors", "*.json", "*.model", "*.jinja", "*.txt")
"""What training needs of a model on the hub: weights in one format, configuration, tokenizer, chat template."""


@dataclass(frozen=True)
class VllmModel:
    """What a role asks a vLLM server for.

    Attributes:
        base: Name on the hub, or folder, of the model that is loaded.
        adapter: A LoRA adapter's folder, or None.
    """

    base: str
    adapter: Path | None = None

    @property
    def served_name(self) -> str:
        """What requests call it."""
        return self.base if self.adapter is None else str(self.adapter)

    @classmethod
    def parse(cls, name: str) -> "VllmModel":
        """Read the part after `vllm:`: a model, or the folder of an adapter, which knows its base.

        Raises:
            ConfigError: An adapter that vLLM cannot serve.
        """
        config = Path(name).expanduser() / "adapter_config.json"
        if not config.is_file():
            return cls(name)
        values = json.loads(config.read_text(encoding="utf-8"))
        if values.get("modules_to_save") or values.get("use_dora"):
            raise ConfigError(
                f"vLLM serves plain LoRA adapters, and {name!r} has whole modules or DoRA in it: merge it into its base first"
            )
        return cls(str(values["base_model_name_or_path"]), Path(name).expanduser().resolve())


class VllmServer:
    """One `vllm serve` process."""

    def __init__(self, base: str, adapters: Iterable[Path], config: VllmConfig) -> None:
        self.base = base
        self.adapters = sorted(set(adapters))
        self._config = config
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self._tail = b""
        self._port = 0

    @property
    def url(self) -> str:
        """The endpoint, ending in `/v1`.

        Raises:
            ModelUnavailableError: The server is not running.
        """
        if not self.running:
            raise self._death("is not running")
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    def command(self, port: int) -> list[str]:
        """The command line."""
        found = ["vllm", "serve", self.base, "--host", "127.0.0.1", "--port", str(port)]
        if self.adapters:
            rank = max(_rank(adapter) for adapter in self.adapters)
            modules = [f"{adapter}={adapter}" for adapter in self.adapters]
            found += ["--enable-lora", "--max-lora-rank", str(_served_rank(rank)), "--lora-modules", *modules]
        return [*found, *self._config.arguments]

    async def start(self, client: httpx2.AsyncClient) -> None:
        """Load the model and wait until the server is healthy.

        Raises:
            ConfigError: vLLM is not installed.
            ModelUnavailableError: It ended or took too long; the message has the end of its log.
        """
        if shutil.which("vllm") is None:
            raise ConfigError(
                "no command `vllm` here: pip install 'anyprefer[vllm]' on a machine with a GPU, or give a server's base_url"
            )
        self._port = _free_port()
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self.command(self._port), stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "VLLM_NO_USAGE_STATS": "1"}, start_new_session=True,
        )  # fmt: skip
        self._drain = asyncio.create_task(self._keep_log(self._process.stdout))
        try:
            async with asyncio.timeout(self._config.start_seconds):
                while not await self._healthy(client):  # noqa: ASYNC110 - another process, it sets no event
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            await self.aclose()
            raise self._death(f"was not ready after {self._config.start_seconds:g} s (vllm.start_seconds)") from None
        except BaseException:
            await self.aclose()
            raise
        logger.info("vLLM serves %s at port %d", self.base, self._port)

    async def aclose(self) -> None:
        """Stop the server and its workers; harmless when it is not running."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._drain is not None:
            await self._drain

    async def _healthy(self, client: httpx2.AsyncClient) -> bool:
        if self._process is None or self._process.returncode is not None:
            if self._drain is not None:
                await self._drain
            raise self._death(f"ended with exit code {self._process.returncode if self._process else None}")
        try:
            return bool((await client.get(f"http://127.0.0.1:{self._port}/health", timeout=5)).is_success)
        except httpx2.HTTPError:
            return False

    async def _keep_log(self, stream: asyncio.StreamReader | None) -> None:
        while stream is not None and (chunk := await stream.read(_TAIL_BYTES)):
            self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
            logger.debug("vllm: %s", chunk.decode(errors="replace").rstrip())

    def _death(self, what: str) -> ModelUnavailableError:
        lines = self._tail.decode(errors="replace").strip().splitlines()[-_TAIL_LINES:]
        listed = "".join(f"\n  {line}" for line in lines) or " nothing"
        return ModelUnavailableError(f"the vLLM server of {self.base!r} {what}. Its last words:{listed}")


class VllmServers:
    """One server per base model.

    Args:
        config: How servers are started.
        models: All that the recipe's roles will ask for; adapters are loaded at the start of their base's server.
        client: Gives the HTTP client that asks for health.
    """

    def __init__(self, config: VllmConfig, models: Iterable[VllmModel], client: Callable[[], httpx2.AsyncClient]) -> None:
        self._config = config
        self._models = tuple(models)
        self._client = client
        self._servers: dict[str, VllmServer] = {}
        self._lock = asyncio.Lock()

    async def acquire(self, model: VllmModel) -> VllmServer:
        """The running server of a model's base; one that died is started again."""
        async with self._lock:
            server = self._servers.get(model.base)
            if server is not None and server.running:
                return server
            if server is not None:
                logger.warning("the vLLM server of %s died and is started again", model.base)
                await server.aclose()
            adapters = [other.adapter for other in self._models if other.base == model.base and other.adapter is not None]
            server = VllmServer(model.base, adapters, self._config)
            await server.start(self._client())
            self._servers[model.base] = server
            return server

    async def aclose(self) -> None:
        """Stop every server."""
        async with self._lock:
            servers, self._servers = self._servers, {}
            await asyncio.gather(*(server.aclose() for server in servers.values()))


def _rank(adapter: Path) -> int:
    return int(json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["r"])


def _digest(adapter: Path) -> str:
    """The beginning of a SHA-256 over an adapter's settings and weights."""
    found = hashlib.sha256()
    for path in (adapter / "adapter_config.json", *sorted(adapter.glob("*.safetensors"))):
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:12]


def _served_rank(rank: int) -> int:
    """The next rank that vLLM has kernels for."""
    return next((known for known in (1, 8, 16, 32, 64, 128, 256, 320, 512) if known >= rank), rank)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class VllmProvider(Provider):
    """Connects to `base_url`, or to a server that it starts."""

    serves_adapters: ClassVar[bool] = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        configs = [config for config in host.recipe.members().values() if config.base_url is None]
        names = [name.name for config in configs if (name := split_model(config.model)) and name.provider == "vllm"]
        self._servers = VllmServers(host.recipe.vllm, [VllmModel.parse(name) for name in names], host.http)

    @classmethod
    def check_access(cls, role: str, config: RoleConfig) -> None:
        """Refuse what is no URL or no key; a server of one's own may need none.

        Raises:
            ConfigError: Names the role and the fix.
        """
        check_base_url(role, config)
        check_key(role, config)

    @classmethod
    def find_weights(cls, name: str) -> Path | None:
        """The folder that vLLM itself would load: one that is here, or the hub's."""
        try:
            return find_model_folder(name, _TRAINED_FILES)
        except (ImportError, OSError, ValueError) as error:
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            raise ModelFetchError(
                f"the weights of 'vllm:{name}' cannot be fetched from the hub to train them ({quote(reason)}): for a gated model "
                "`hf auth login`, or set training.model (or --model) to a folder of its weights"
            ) from error

    def capabilities_of(self, config: RoleConfig) -> Capabilities:
        """Everything that vLLM has by itself; a server that runs already may be told otherwise."""
        return Capabilities(full_schemas=True)

    def probes_of(self, config: RoleConfig) -> bool:
        """A server that runs already is tried."""
        return config.base_url is not None

    async def open(self, config: RoleConfig) -> Connection:
        """Connect, starting the server of the model's base where the role names none."""
        if config.base_url is not None:
            key = os.environ.get(config.api_key_env) or NO_KEY
            name = await self._find_served(config, config.base_url, key)
            return Connection(open_chat(config, name, config.base_url, key, self.host.http()))
        model = VllmModel.parse(config.name_at_provider)
        server = await self._servers.acquire(model)
        return Connection(open_chat(config, model.served_name, server.url, NO_KEY, self.host.http()), server)

    async def _find_served(self, config: RoleConfig, url: str, key: str) -> str:
        """What a server that runs already calls a role's model; an adapter of a folder here is loaded if it is not there yet.

        It is loaded under a name with a checksum: a server lives longer than a training, and must not answer with the adapter
        that the folder held before.

        Raises:
            ConfigError: The server does not take adapters while it runs, or refuses this one.
            ModelUnavailableError: It does not answer.
        """
        model = VllmModel.parse(config.name_at_provider)
        if model.adapter is None:
            return config.name_at_provider
        headers, base = {"Authorization": f"Bearer {key}"}, url.rstrip("/")
        try:
            listed = await self.host.http().get(f"{base}/models", headers=headers, timeout=_LIST_SECONDS)
            names = {entry.get("id") for entry in list_entries(listed.content) or []}
            loaded = f"{model.adapter}#{await asyncio.to_thread(_digest, model.adapter)}"
            if known := next((name for name in (config.name_at_provider, loaded) if name in names), None):
                return known
            body = {"lora_name": loaded, "lora_path": str(model.adapter)}
            reply = await self.host.http().post(f"{base}/load_lora_adapter", json=body, headers=headers, timeout=_LOAD_SECONDS)
        except httpx2.HTTPError as error:
            raise ModelUnavailableError(
                f"the vLLM server at {url!r} does not answer ({type(error).__name__}: {quote(str(error))}): start it",
                "unreachable",
            ) from error
        if not reply.is_success:
            raise ConfigError(
                f"the vLLM server at {url!r} did not load the adapter {str(model.adapter)!r} (status {reply.status_code}: "
                f"{quote(reply.text, 200)}): start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True and `vllm serve {model.base} "
                f"--enable-lora --max-lora-rank {_served_rank(_rank(model.adapter))}`, where this folder can be read"
            )
        logger.info("the vLLM server at %s has loaded %s", url, model.adapter)
        return loaded

    async def aclose(self) -> None:
        """Stop the servers."""
        await self._servers.aclose()
