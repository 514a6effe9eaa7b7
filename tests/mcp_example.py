"""An MCP server for tests, written with the SDK: over standard input and output, or over HTTP where a port is given."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Image, MCPServer
from pydantic import Field

server = MCPServer("example", log_level="ERROR")


@server.tool()
def look_up(query: Annotated[str, Field(description="What to look up.", max_length=500)], limit: int = 3) -> str:
    """Looks facts up in a small encyclopedia; use it when responses state facts."""
    return f"{limit} facts about {query[:40]}: ants have six legs"


@server.tool(name="wiki/deep.search")
def deep_search(query: str, kind: Literal["web", "book"]) -> str:
    """Searches deeply."""
    return f"{kind}: {query}"


@server.tool()
def count_words(text: str) -> str:
    """Counts the words of a text."""
    return f"{len(text.split())} words"


@server.tool()
def fail(query: str) -> str:
    """Fails."""
    raise ValueError(f"no luck with {query}")


@server.tool()
def die_once(marker: str) -> str:
    """Ends the server the first time."""
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(3)
    return "alive"


@server.tool()
def die() -> str:
    """Ends the server."""
    os._exit(3)


@server.tool()
async def sleep(seconds: float) -> str:
    """Sleeps."""
    await asyncio.sleep(seconds)
    return "slept"


@server.tool(structured_output=False)
def show_picture() -> list[Any]:
    """Shows a picture."""
    return ["before", Image(data=b"\x89PNG", format="png"), "after"]


@server.tool()
def tell_secret() -> str:
    """Tells its secrets."""
    return f"{os.environ.get('EXAMPLE_SECRET')} {os.environ.get('OTHER_SECRET')}"


@server.tool()
def tell_process() -> str:
    """Tells its process."""
    return str(os.getpid())


@server.tool()
def tell_process_again() -> str:
    """Tells its process."""
    return str(os.getpid())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")
