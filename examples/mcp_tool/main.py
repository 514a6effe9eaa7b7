"""The loop as a tool of the Model Context Protocol, which LangGraph's server (`make studio`) speaks at /mcp.

python examples/mcp_tool/main.py [--url http://127.0.0.1:8123/mcp] [PROMPT]
"""

import argparse
import ast
import asyncio

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from anyprefer import PreferenceRecord


async def main(url: str, prompt: str) -> None:
    """List the tools and call ours."""
    async with (
        httpx2.AsyncClient(timeout=600, follow_redirects=True) as http,
        Client(streamable_http_client(url, http_client=http), cache=None) as client,
    ):
        for tool in (await client.list_tools()).tools:
            print(f"{tool.name}: {tool.description} takes {', '.join(tool.input_schema['properties'])}")
        result = await client.call_tool("anyprefer", {"prompt": prompt})
        state = ast.literal_eval(result.content[0].text)  # the server answers with a Python literal, not with JSON
        record = PreferenceRecord.model_validate(state["record"])
        print(
            f"{record.status}: {record.pair.chosen.text!r} over {record.pair.rejected.text!r}" if record.pair else record.status
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8123/mcp")
    parser.add_argument("prompt", nargs="?", default="What is 12 * 12?")
    given = parser.parse_args()
    asyncio.run(main(given.url, given.prompt))
