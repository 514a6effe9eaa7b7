"""Embedded llama.cpp servers: child processes that are started, watched, shared between roles and stopped here."""

import asyncio
import importlib.util
import json
import logging
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from anyprefer.backends import llama_server
from anyprefer.config import EmbeddedConfig
from anyprefer.errors import ConfigError, ModelUnavailableError

_log = logging.getLogger(__name__)
_START_SECONDS = 180.0
_STOP_SECONDS = 5.0
_LOG_BYTES = 8192
_LOG_LINES = 8
_MEMORY_HINT = "; if memory ran out, lower embedded.slots or embedded.context_tokens"


class EmbeddedServer:
    """One llama.cpp server for one weights file.

    Args:
        weights: A GGUF file.
        config: Slots, context and threads.
        start_seconds: How long loading may take; weights on a slow disk need minutes.
    """

    def __init__(self, weights: Path, config: EmbeddedConfig, *, start_seconds: float = _START_SECONDS) -> None:
        self.weights = weights
        self._config = config
        self._start_seconds = start_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self._tail = b""
        self._url = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    @property
    def url(self) -> str:
        """The endpoint, ending in `/v1`.

        Raises:
            ModelUnavailableError: The server is not running.
        """
        self.ensure_alive()
        return self._url

    @property
    def pid(self) -> int | None:
        """The child's process id; None before the start and after the end."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child is there."""
        return self.pid is not None

    async def start(self) -> None:
        """Load the weights and wait until requests can be served.

        Raises:
            ConfigError: The extra for embedded models is not installed.
            ModelUnavailableError: The server ended or took too long; the message has the end of its log.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise ConfigError("embedded models need llama.cpp: pip install 'anyprefer[local]'")
        pipe = asyncio.subprocess.PIPE
        environment = {**llama_server.OPENMP, **os.environ}
        self._process = await asyncio.create_subprocess_exec(
            *self._command(), stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )  # fmt: skip
        self._drain = asyncio.create_task(self._keep_log(_piped(self._process.stderr)))
        try:
            self._url = await self._read_url(self._process)
        except BaseException:
            await self.aclose()
            raise
        _log.info("serving %s at %s, process %d", self.weights.name, self._url, self._process.pid)

    async def aclose(self) -> None:
        """Stop the server; harmless when it is not running."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._drain is not None:
            await self._drain

    def ensure_alive(self) -> None:
        """See that the server still runs.

        Raises:
            ModelUnavailableError: It does not; the message has its exit code and the end of its log.
        """
        if self._process is None:
            raise ModelUnavailableError(f"the embedded server of {self.weights.name!r} is not running: start it first")
        if self._process.returncode is not None:
            raise self._death(f"ended with exit code {self._process.returncode}{_MEMORY_HINT}")

    def _command(self) -> list[str]:
        """Run by path and not with -m: the child needs neither this package nor the caller's import path."""
        config = self._config
        verbosity = 3 if _log.isEnabledFor(logging.DEBUG) else 2
        return [
            sys.executable, "-P", llama_server.__file__, "--model", str(self.weights), "--alias", self.weights.stem,
            "--slots", str(config.slots), "--context-tokens", str(config.context_tokens),
            "--threads", str(config.threads), "--verbosity", str(verbosity),
        ]  # fmt: skip

    async def _read_url(self, process: asyncio.subprocess.Process) -> str:
        try:
            line = await asyncio.wait_for(_piped(process.stdout).readline(), self._start_seconds)
        except TimeoutError:
            raise self._death(f"was not ready after {self._start_seconds:g} s") from None
        if line:
            return str(json.loads(line)["url"])
        code = await process.wait()
        if self._drain is not None:
            await self._drain
        raise self._death(f"ended with exit code {code} while it was starting{_MEMORY_HINT}")

    async def _keep_log(self, stream: asyncio.StreamReader) -> None:
        """Keep the end of the server's log for error messages; all of it goes to our log at DEBUG."""
        while chunk := await stream.read(_LOG_BYTES):
            self._tail = (self._tail + chunk)[-_LOG_BYTES:]
            _log.debug("%s: %s", self.weights.name, chunk.decode(errors="replace").rstrip())

    def _death(self, what: str) -> ModelUnavailableError:
        lines = self._tail.decode(errors="replace").strip().splitlines()[-_LOG_LINES:]
        listed = "".join(f"\n  {line}" for line in lines) or " nothing"
        return ModelUnavailableError(f"the embedded server of {self.weights.name!r} {what}. Its last words:{listed}")


class EmbeddedServers:
    """One server per weights file, shared by all roles that use it."""

    def __init__(self, config: EmbeddedConfig) -> None:
        self._config = config
        self._servers: dict[Path, EmbeddedServer] = {}
        self._lock = asyncio.Lock()

    async def acquire(self, weights: Path) -> EmbeddedServer:
        """The running server of a weights file; the first caller starts it, and one that died is replaced.

        Raises:
            ConfigError: The extra for embedded models is not installed.
            ModelUnavailableError: The server did not start.
        """
        key = _true_path(weights)
        async with self._lock:
            server = self._servers.get(key)
            if server is not None and server.pid is not None:
                return server
            if server is not None:
                _log.warning("the embedded server of %s died and is started again", weights.name)
                await server.aclose()
            server = EmbeddedServer(weights, self._config)
            await server.start()
            self._servers[key] = server
            return server

    async def aclose(self) -> None:
        """Stop every server."""
        async with self._lock:
            servers, self._servers = self._servers, {}
            await asyncio.gather(*(server.aclose() for server in servers.values()))


def _true_path(weights: Path) -> Path:
    """The path without links and dots, so that one file gets one server."""
    return weights.resolve()


def _piped(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    """A stream that was asked for is there; the type cannot say so."""
    if stream is None:
        raise RuntimeError("the server was started without a pipe")
    return stream
