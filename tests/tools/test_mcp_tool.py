"""Tools of MCP servers, over pipes and over HTTP: allow-listed, sharing one connection, mended once, never left running."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from loopback_mcp import COMMAND, McpHttpServer

from anyprefer.config import ServerConfig, ToolsConfig
from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import Case, ToolArgs
from anyprefer.tools.registry import build_tools
from anyprefer.types import Candidate, Task

TASK = Task(prompt="legs of ants")


def make(*tools, server=None, choose="judge", **options):
    names = tuple(f"mcp:wiki/{tool}" for tool in tools)
    servers = {"wiki": ServerConfig(**(server or {"command": COMMAND}))}
    config = ToolsConfig(names=names, servers=servers, choose=choose, options={names[0]: options} if options else {})
    return tuple(build_tools(config).values())


async def call(tool, candidate=None, **args):
    return (await tool.run(tool.Args.model_validate(args), Case(TASK, candidate=candidate))).text


def mistake(*tools, **settings):
    with pytest.raises(ConfigError) as caught:
        make(*tools, **settings)
    return str(caught.value)


@pytest.fixture
def http():
    with McpHttpServer() as server:
        yield server


async def test_a_tool_over_pipes_works():
    [tool] = make("look_up", choose="always")
    assert (tool.name, tool.scope) == ("mcp:wiki/look_up", "task")
    assert tool.description == "Looks facts up in a small encyclopedia; use it when responses state facts."
    assert issubclass(tool.Args, ToolArgs)
    assert tool.Args.model_fields["query"].description == "What to look up."
    assert (await tool.run(tool.default_args(TASK), Case(TASK))).text == "3 facts about legs of ants: ants have six legs"
    assert await call(tool, query="bees", limit=1) == "1 facts about bees: ants have six legs"
    await tool.aclose()


async def test_a_tool_over_http_works(http):
    [tool] = make("look_up", server={"url": http.url})
    assert await call(tool, query="bees") == "3 facts about bees: ants have six legs"
    await tool.aclose()


async def test_tools_of_a_server_share_one_process_which_ends_with_them():
    first, second = make("tell_process", "tell_process_again")
    [pid] = set(await asyncio.gather(*(call(tool) for tool in (first, second) * 3)))
    await first.aclose()
    await second.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert await call(second) != pid  # a call after that opens it anew
    await second.aclose()


async def test_a_server_that_died_is_started_again_once(tmp_path):
    once, again, ever = make("die_once", "look_up", "die")
    assert await call(once, marker=str(tmp_path / "marker")) == "alive"
    with pytest.raises(ToolError, match="'wiki' cannot be reached"):
        await call(ever)
    assert await call(again, query="a")
    await once.aclose()


async def test_an_http_server_that_was_restarted_is_found_again(http):
    [tool] = make("look_up", server={"url": http.url})
    assert await call(tool, query="a")
    http.stop()
    with pytest.raises(ToolError, match="'wiki' cannot be reached"):
        await call(tool, query="a")
    http.start()
    assert await call(tool, query="a")
    http.stop()
    http.start()
    assert await call(tool, query="a")
    await tool.aclose()


@pytest.mark.parametrize("kind", ["pipes", "http"])
async def test_a_slow_call_is_cut_and_the_connection_goes_on(kind, http):
    server = {"command": COMMAND} if kind == "pipes" else {"url": http.url}
    slow, quick = make("sleep", "look_up", server={**server, "call_seconds": 1.0})
    assert await call(quick, query="a")
    with pytest.raises(ToolError, match="gave no answer within 1 seconds"):
        await call(slow, seconds=60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):  # as the toolbox does
            await call(slow, seconds=60)
    assert await call(quick, query="a")
    await slow.aclose()


async def test_a_failure_flagged_by_the_server_is_a_tool_error():
    fails, picture = make("fail", "show_picture")
    with pytest.raises(ToolError, match="Error executing tool fail"):
        await call(fails, query="a")
    assert await call(picture) == "before\n[image omitted]\nafter"
    await fails.aclose()


async def test_secrets_come_from_the_environment_and_are_never_evidence(monkeypatch):
    monkeypatch.setenv("EXAMPLE_SECRET", "hunter22")
    monkeypatch.setenv("OTHER_SECRET", "hunter33")
    [tool] = make("tell_secret", server={"command": COMMAND, "env_from": ("EXAMPLE_SECRET",)})
    assert await call(tool) == "[EXAMPLE_SECRET] None"
    await tool.aclose()


async def test_a_candidate_tool_reads_the_response():
    [tool] = make("count_words", choose="always", scope="candidate", response_argument="text")
    assert not tool.Args.model_fields
    assert await call(tool, candidate=Candidate(index=0, output="one two")) == "2 words"
    await tool.aclose()


async def test_a_name_with_slashes_and_dots_works():
    [tool] = make("wiki/deep.search")
    assert await call(tool, query="ants", kind="book") == "book: ants"
    assert tool.Args.__name__.isidentifier()
    with pytest.raises(ToolError, match="needs query, kind"):
        tool.default_args(TASK)
    await tool.aclose()


def test_tools_work_in_one_loop_after_another():
    [tool] = make("look_up")

    async def once():
        try:
            return await call(tool, query="a")
        finally:
            await tool.aclose()

    assert asyncio.run(once()) == asyncio.run(once())
    assert "ants" in asyncio.run(call(tool, query="a"))  # not closed: the loop's end stops the server
    assert "ants" in asyncio.run(once())


@pytest.mark.parametrize(
    ("tools", "settings", "message"),
    [
        (["lok_up"], {}, "did you mean 'mcp:wiki/look_up'? It has: count_words, die,"),
        (["wiki/deep.search"], {"choose": "always"}, "tools.choose = 'always' cannot call 'mcp:wiki/wiki/deep.search'"),
        (["look_up"], {"page": 2}, "tools.options.mcp:wiki/look_up.page = 2: there is no such option"),
        (["look_up"], {"server": {"command": ("no-such-program-anywhere",)}}, "wiki cannot be used: FileNotFoundError"),
        (["look_up"], {"server": {"command": (sys.executable, "-c", "import sys; sys.exit('boom')")}}, "it wrote: boom"),
        (["look_up"], {"server": {"command": ("sleep", "60"), "connect_seconds": 0.5}}, "no answer within 0.5 seconds"),
        (["look_up"], {"server": {"url": "http://127.0.0.1:9/mcp"}}, "tools.servers.wiki cannot be used: ConnectError"),
        (["look_up"], {"server": {"command": COMMAND, "env_from": ("NO_SUCH_VAR",)}},
         "env_from: the environment variable 'NO_SUCH_VAR' is not set"),
        (["look_up"], {"server": {"url": "http://127.0.0.1:9/mcp", "headers_env": {"Authorization": "NO_SUCH_VAR"}}},
         "headers_env: the environment variable 'NO_SUCH_VAR' is not set"),
    ],
)  # fmt: skip
def test_mistakes_are_explained(tools, settings, message):
    assert message in mistake(*tools, **settings)


def test_a_server_without_tools_and_a_tool_without_server_are_explained():
    servers = {"wiki": ServerConfig(command=COMMAND)}
    with pytest.raises(ConfigError, match=r"tools\.servers\.wiki: no 'mcp:wiki/\.\.\.' is in tools\.names"):
        build_tools(ToolsConfig(servers=servers))
    for name, message in [
        ("mcp:wikki/x", r"no \[tools\.servers\.wikki\] in the recipe; servers: wiki"),
        ("mcp:x", "must be 'mcp:SERVER/TOOL'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            build_tools(ToolsConfig(names=(name, "mcp:wiki/look_up"), servers=servers))


@pytest.mark.parametrize(
    "server",
    [{}, {"command": ["a"], "url": "http://x/"}, {"url": "ftp://x/"}, {"url": "http://u:p@x/"}, {"url": "http://x/", "cwd": "."},
     {"command": ["a"], "headers_env": {"a": "b"}}, {"url": "http:x"}, {"command": ["a"], "env": {"KEY": "secret"}}],
)  # fmt: skip
def test_a_server_is_described_one_way_and_without_secrets(server):
    with pytest.raises(ValueError, match="validation error"):
        ServerConfig.model_validate_json(json.dumps(server))


async def test_headers_reach_the_server_from_the_environment(monkeypatch):
    seen = []

    async def answer(reader, writer):
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    monkeypatch.setenv("WIKI_KEY", "Bearer hunter22")
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    settings = {"url": url, "headers_env": {"Authorization": "WIKI_KEY"}}
    with pytest.raises(ConfigError, match=r"tools\.servers\.wiki cannot be used") as caught:
        await asyncio.to_thread(make, "look_up", server=settings)
    assert "authorization: bearer hunter22" in seen[0]
    assert "hunter22" not in str(caught.value)
    server.close()


def test_a_missing_extra_is_named():
    code = (
        "import sys; sys.modules['mcp'] = None\n"
        "from anyprefer.config import ServerConfig, ToolsConfig; from anyprefer.tools.registry import build_tools\n"
        "try: build_tools(ToolsConfig(names=('mcp:wiki/x',), servers={'wiki': ServerConfig(command=('true',))}))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout.startswith("ConfigError the tool 'mcp:wiki/x' needs a package that is not installed (import of mcp ")
    assert "pip install 'anyprefer[mcp]'" in done.stdout
