"""Use tools of MCP servers: `mcp:SERVER/TOOL` in `tools.names`, the servers under `[tools.servers.SERVER]`.

The names are an allow-list: no other tool of a server can be called, whatever the server offers or a model asks for. The server
is asked for the tool's arguments once, when the recipe is loaded.
"""

import asyncio
import difflib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

from anyprefer.config import ToolsConfig
from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import ToolOptions
from anyprefer.tools.foreign.mcp_connection import McpConnection
from anyprefer.tools.foreign.tool import ForeignOptions, ForeignTool, blocks_text, value_text

if TYPE_CHECKING:
    from mcp.types import Tool

_NAME = re.compile(r"mcp:([A-Za-z0-9_-]+)/(\S+)")


class McpAdapter:
    """Makes the `mcp:` tools of a recipe; tools of one server share its connection."""

    Options: ClassVar[type[ToolOptions]] = ForeignOptions
    extra: ClassVar[str] = "mcp"

    def __init__(self, config: ToolsConfig) -> None:
        self._config = config
        self._servers: dict[str, tuple[McpConnection, dict[str, Tool]]] = {}

    def make(self, name: str, options: ForeignOptions) -> "McpTool":
        """Ask the server for the tool and prepare it.

        Raises:
            ConfigError: The recipe has no such server, or it cannot be used or has no such tool.
            ImportError: mcp is missing.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ConfigError(f"tools.names: {name!r} must be 'mcp:SERVER/TOOL'")
        connection, offered = self._open(name, match[1])
        if match[2] not in offered:
            close = difflib.get_close_matches(match[2], offered, n=1)
            hint = f"did you mean 'mcp:{match[1]}/{close[0]}'? " if close else ""
            raise ConfigError(f"tools.names: {name!r}: the server has no such tool; {hint}It has: {', '.join(sorted(offered))}")
        return McpTool(name, offered[match[2]], options, connection)

    def _open(self, name: str, server: str) -> "tuple[McpConnection, dict[str, Tool]]":
        if server not in self._config.servers:
            known = ", ".join(self._config.servers) or "none"
            raise ConfigError(f"tools.names: {name!r}: there is no [tools.servers.{server}] in the recipe; servers: {known}")
        if server not in self._servers:
            import mcp  # noqa: F401

            connection = McpConnection(server, self._config.servers[server])
            # A thread with a loop of its own: recipes are also loaded inside a running loop.
            with ThreadPoolExecutor(1) as thread:
                tools = thread.submit(asyncio.run, connection.list_tools()).result()
            self._servers[server] = connection, {tool.name: tool for tool in tools}
        return self._servers[server]


class McpTool(ForeignTool):
    """A tool of an MCP server behind our protocol."""

    def __init__(self, name: str, tool: "Tool", options: ForeignOptions, connection: McpConnection) -> None:
        super().__init__(name, tool.description or tool.title or tool.name, tool.input_schema, options)
        self._tool = tool.name
        self._connection = connection

    async def _call(self, arguments: dict[str, Any]) -> str:
        result = await self._connection.call(self._tool, arguments)
        text = blocks_text([block.model_dump(mode="json") for block in result.content])
        if not text and result.structured_content is not None:
            text = value_text(result.structured_content)
        text = self._connection.redact(text)
        if result.is_error:
            raise ToolError(text or f"{self.name!r} failed without a reason")
        return text

    async def aclose(self) -> None:
        """Close the server's connection, also for the other tools that share it."""
        await self._connection.aclose()
