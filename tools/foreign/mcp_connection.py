"""One connection to an MCP server, opened when first needed, shared by the server's tools and mended once when it breaks.

A transport must be closed by the task that opened it, so each connection has a task of its own; calls come from any task of the
same event loop. The server may ask for nothing: no sampling, no roots, no questions to the user.
"""

import asyncio
import logging
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from anyprefer.config import ServerConfig
from anyprefer.errors import ConfigError, ToolError

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult, Tool

logger = logging.getLogger(__name__)

_MAX_PAGES = 50
_SHORTEST_SECRET = 6
_STDERR_CHARS = 500


class ConnectionLost(Exception):  # noqa: N818 - an event that the connection handles itself
    """Raised inside when the server went away during a call."""


class McpConnection:
    """A server of the recipe and the connection to it."""

    def __init__(self, name: str, config: ServerConfig) -> None:
        """Take the secrets from the environment.

        Raises:
            ConfigError: A variable is not set.
        """
        self.name = name
        self.config = config
        self._env = {variable: _variable(name, "env_from", variable) for variable in config.env_from}
        self._headers = {key: _variable(name, "headers_env", variable) for key, variable in config.headers_env.items()}
        self._link: _Link | None = None

    async def list_tools(self) -> "list[Tool]":
        """Ask for the tools over a connection of its own, closed again at once.

        Raises:
            ConfigError: The server cannot be started or reached, or gives no answer.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            try:
                async with asyncio.timeout(self.config.connect_seconds), self.open(errors) as client:
                    return await _all_tools(client)
            except Exception as error:
                reason = f"no answer within {self.config.connect_seconds:g} seconds" if _is_timeout(error) else describe(error)
                errors.seek(0)
                tail = errors.read()[-_STDERR_CHARS:].strip()
                said = f"; it wrote: {tail}" if tail else ""
                raise ConfigError(self.redact(f"tools.servers.{self.name} cannot be used: {reason}{said}")) from error

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> "CallToolResult":
        """Call a tool; a connection that turns out dead is opened anew, once.

        Raises:
            ToolError: The server cannot be reached, refused the call or gave no answer in time.
        """
        for is_last in (False, True):
            link = self._current()
            try:
                return await link.call(tool, dict(arguments))
            except ConnectionLost as error:
                if self._link is link:
                    self._link = None
                await link.aclose()
                if is_last:
                    raise ToolError(self.redact(f"the MCP server {self.name!r} cannot be reached: {error}")) from error
        raise AssertionError("unreachable: the second try returns or raises")

    async def aclose(self) -> None:
        """Close the connection and stop the server that was started for it; a later call opens another."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    def redact(self, text: str) -> str:
        """A text of the server without the secrets that it was given."""
        for name, value in {**self._env, **self._headers}.items():
            if len(value) >= _SHORTEST_SECRET:
                text = text.replace(value, f"[{name}]")
        return text

    def _current(self) -> "_Link":
        if self._link is None or not self._link.is_usable():
            self._link = _Link(self)
        return self._link

    @asynccontextmanager
    async def open(self, errors: IO[str] | int) -> "AsyncIterator[Client]":
        """Connect and greet; what a started server writes to its standard error goes into `errors`."""
        import httpx2
        from mcp import Client, StdioServerParameters, stdio_client
        from mcp.client.streamable_http import streamable_http_client

        config = self.config
        async with AsyncExitStack() as stack:
            if config.url:
                limits = httpx2.Timeout(config.connect_seconds, read=max(config.connect_seconds, config.call_seconds))
                http = await stack.enter_async_context(httpx2.AsyncClient(headers=self._headers, timeout=limits))
                client = Client(streamable_http_client(config.url, http_client=http), cache=None)
            else:
                program, *arguments = config.command
                started = StdioServerParameters(command=program, args=arguments, env=self._env, cwd=config.cwd)
                client = Client(stdio_client(started, errlog=errors), cache=None)  # type: ignore[arg-type] # any stream will do
            yield await stack.enter_async_context(client)


class _Link:
    """An open connection and the task that owns it."""

    def __init__(self, connection: McpConnection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready: asyncio.Future[Client] = self._loop.create_future()
        self._owner = self._loop.create_task(self._own(), name=f"mcp:{connection.name}")

    def is_usable(self) -> bool:
        """Whether calls of the running loop may go through here."""
        return self._loop is asyncio.get_running_loop() and not self._owner.done() and not self._stop.is_set()

    async def _own(self) -> None:
        """Open, wait for the end, close."""
        seconds = self._connection.config.connect_seconds
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(seconds):
                    client = await stack.enter_async_context(self._connection.open(subprocess.DEVNULL))
                self._ready.set_result(client)
                await self._stop.wait()
        except Exception as error:  # whatever a transport raises means that the connection is gone
            logger.debug("the connection to MCP server %r ended", self._connection.name, exc_info=True)
            if not self._ready.done():
                reason = f"no answer within {seconds:g} seconds" if _is_timeout(error) else describe(error)
                self._ready.set_exception(ConnectionLost(reason))
        finally:
            if not self._ready.done():
                self._ready.cancel()

    async def call(self, tool: str, arguments: dict[str, Any]) -> "CallToolResult":
        """Call a tool, watching the connection meanwhile: a transport that breaks does not always tell those who wait.

        Raises:
            ConnectionLost: The connection ended before the answer.
            ToolError: The server refused the call or gave no answer in time.
        """
        client = await asyncio.shield(self._ready)
        seconds = self._connection.config.call_seconds
        call = self._loop.create_task(client.call_tool(tool, arguments))
        try:
            await asyncio.wait({call, self._owner}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not call.done() and not self._owner.done():
                raise ToolError(f"the MCP server {self._connection.name!r} gave no answer within {seconds:g} seconds")
        finally:
            if not call.done():
                call.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await call
        return self._result_of(call)

    def _result_of(self, call: "asyncio.Task[CallToolResult]") -> "CallToolResult":
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED

        if call.cancelled():
            raise ConnectionLost("it went away during the call")
        error = call.exception()
        if error is None:
            return call.result()
        is_closed = isinstance(error, MCPError) and (error.code == CONNECTION_CLOSED or error.message == "Session terminated")
        if is_closed or self._owner.done():
            raise ConnectionLost(describe(error)) from error
        raise ToolError(
            self._connection.redact(f"the MCP server {self._connection.name!r} refused: {describe(error)}")
        ) from error

    async def aclose(self) -> None:
        """End the owner, which closes the transport and stops the server; of a loop that is gone nothing is left to close."""
        self._stop.set()
        if self._loop is asyncio.get_running_loop():
            await asyncio.wait({self._owner})
        if self._ready.done() and not self._ready.cancelled():
            self._ready.exception()  # seen, even if nobody waited for it


async def _all_tools(client: "Client") -> "list[Tool]":
    found: list[Tool] = []
    cursor = None
    for _ in range(_MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if not cursor:
            break
    return found


def _variable(server: str, key: str, variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise ConfigError(f"tools.servers.{server}.{key}: the environment variable {variable!r} is not set")
    return value


def describe(error: BaseException) -> str:
    """The innermost error of a group, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _is_timeout(error: BaseException) -> bool:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return isinstance(error, TimeoutError)
