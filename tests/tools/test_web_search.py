"""Web search asks politely, remembers, says honestly why it found nothing and lets a corpus answer in its place."""

import asyncio
import itertools
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback_web import ANTS, EMPTY, LIMITED, LoopbackWeb, result_page

from anyprefer.config import ToolsConfig
from anyprefer.errors import ConfigError, ToolError
from anyprefer.tools.base import Case
from anyprefer.tools.registry import build_tools
from anyprefer.types import Task

TASK = Task(prompt="How many legs have ants?")
QUICK = {"spacing_seconds": 0.0, "backoff_seconds": 0.01, "retries": 0, "failure_limit": 100}


@pytest.fixture
def web(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYPREFER_CACHE", str(tmp_path / "cache"))
    with LoopbackWeb() as server:
        yield server


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"title": "Ants", "text": "Ants have six legs, says the corpus."}\n')
    return str(path)


def make(web, **options):
    table = {"endpoint": web.search_url, **QUICK, **options}
    return build_tools(ToolsConfig(names=("web_search",), options={"web_search": table}))["web_search"]


async def search(tool, query="legs of ants", num_results=4):
    return (await tool.run(tool.Args(query=query, num_results=num_results), Case(TASK))).text


async def test_results_are_quoted_with_their_links(web):
    assert await search(make(web)) == (
        "[1] Ant - Encyclopedia\nhttps://ants.example.org/ant\nAnts are insects with six legs.\n\n"
        "[2] Bee - Encyclopedia\nhttps://bees.example.org/bee\nBees have six legs too."
    )
    assert web.queries == ["legs of ants"]


async def test_so_many_results_as_asked_for(web):
    assert "[2]" not in await search(make(web), num_results=1)


async def test_a_query_is_asked_once_in_its_lifetime(web):
    first = await search(make(web))
    assert await search(make(web), query=" legs  of\nants ") == first
    assert web.queries == ["legs of ants"]


async def test_an_old_answer_is_asked_for_again(web, tmp_path):
    tool = make(web)
    await search(tool)
    with sqlite3.connect(tmp_path / "cache/web_search.sqlite") as connection:
        connection.execute("UPDATE answers SET saved = saved - 31 * 86400")
    connection.close()
    await search(tool)
    assert len(web.queries) == 2


async def test_no_cache_asks_every_time(web, tmp_path):
    tool = make(web, cache_days=0)
    await search(tool)
    await search(tool)
    assert len(web.queries) == 2
    assert not (tmp_path / "cache/web_search.sqlite").exists()


async def test_equal_queries_at_the_same_time_ask_once(web):
    tool = make(web)
    assert len(set(await asyncio.gather(*(search(tool) for _ in range(8))))) == 1
    assert len(web.queries) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (EMPTY, "the search engine gave no result or is limiting requests: these look the same"),
        (LIMITED, "the search engine answered with status 202, which is how it limits requests"),
        ((500, ""), "the search engine answered with status 500"),
        ((200, ""), "gave no result or is limiting"),
        ((200, "<"), "gave no result or is limiting"),
    ],
)
async def test_the_reason_for_nothing_is_honest(web, answer, reason):
    web.answer = lambda query: answer
    with pytest.raises(ToolError, match=reason):
        await search(make(web))


async def test_a_slow_engine_is_left(web):
    web.answer = lambda query: time.sleep(3) or ANTS
    with pytest.raises(ToolError, match="gave no answer within"):
        await search(make(web, timeout_seconds=0.3))


async def test_an_unreachable_engine_is_named(web):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ToolError, match=r"cannot be reached \(ConnectError\)"):
        await search(make(web, endpoint=f"http://127.0.0.1:{port}/"))


async def test_failures_are_not_kept(web):
    web.answer = lambda query: LIMITED
    with pytest.raises(ToolError):
        await search(make(web))
    web.answer = lambda query: ANTS
    assert "six legs" in await search(make(web))


async def test_a_search_is_tried_again_after_growing_pauses(web):
    times = []

    def answer(query):
        times.append(time.monotonic())
        return ANTS if len(times) == 3 else LIMITED

    web.answer = answer
    assert "six legs" in await search(make(web, retries=2, backoff_seconds=0.2))
    assert 0.19 <= times[1] - times[0] < times[2] - times[1]
    assert times[2] - times[1] >= 0.39


async def test_retries_end_with_the_budget(web):
    web.answer = lambda query: LIMITED
    with pytest.raises(ToolError, match="status 202"):
        await search(make(web, retries=10, backoff_seconds=0.2, budget_seconds=0.5))
    assert len(web.queries) == 2


async def test_requests_are_spaced_across_tools_of_the_process(web):
    times = []
    web.answer = lambda query: times.append(time.monotonic()) or ANTS
    tools = [make(web, spacing_seconds=0.3), make(web, spacing_seconds=0.3)]
    await asyncio.gather(*(search(tool, f"ants {i}") for i, tool in enumerate(tools)), search(tools[0], "bees"))
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 0.2


async def test_a_queue_too_long_is_said_and_counts_as_no_failure(web):
    tool = make(web, spacing_seconds=5.0, budget_seconds=1.0, failure_limit=1, cooldown_seconds=60)
    await search(tool, "ants")
    with pytest.raises(ToolError, match="too many searches wait"):
        await search(tool, "bees")
    with pytest.raises(ToolError, match="too many searches wait"):  # and not "left alone"
        await search(tool, "bees")


async def test_the_breaker_opens_and_recovers(web):
    tool = make(web, failure_limit=2, cooldown_seconds=0.6, retries=1)
    web.answer = lambda query: LIMITED
    for _ in range(2):
        with pytest.raises(ToolError, match="status 202"):
            await search(tool)
    asked = len(web.queries)
    for other in (tool, make(web, failure_limit=2)):  # the process shares it
        with pytest.raises(ToolError, match=r"failed 2 times in a row and is left alone for \d+ s"):
            await search(other)
    assert len(web.queries) == asked
    await asyncio.sleep(0.7)
    with pytest.raises(ToolError, match="status 202"):
        await search(tool)
    assert len(web.queries) == asked + 1  # a probe has one try
    with pytest.raises(ToolError, match="left alone"):
        await search(tool)
    await asyncio.sleep(0.7)
    web.answer = lambda query: ANTS
    assert "six legs" in await search(tool)
    assert "six legs" in await search(tool, "other")


async def test_the_corpus_answers_in_its_place_and_says_why(web, corpus):
    web.answer = lambda query: LIMITED
    found = await search(make(web, corpus=corpus))
    assert found.startswith("(from the local corpus, not the web: the search engine answered with status 202")
    assert "says the corpus" in found


async def test_nothing_anywhere_is_an_error(web, corpus):
    web.answer = lambda query: EMPTY
    with pytest.raises(ToolError, match=r"these look the same; the local corpus has no passage that matches either"):
        await search(make(web, corpus=corpus), "zeppelin")


async def test_results_that_lead_to_no_public_page_are_dropped(web):
    links = ["http://127.0.0.1/admin", "javascript:alert(1)", "ftp://ants.example.org/", "http://u:p@ants.example.org/",
             "http://[::ffff:10.0.0.1]/", "//duckduckgo.com/l/?uddg=http%3A%2F%2Flocalhost%2F"]  # fmt: skip
    web.answer = lambda query: result_page(
        *((f"T{i}", link, "evil") for i, link in enumerate(links)), ("Good", "https://ants.example.org/", "six")
    )
    assert await search(make(web)) == "[1] Good\nhttps://ants.example.org/\nsix"
    web.answer = lambda query: result_page(("T", links[0], "evil"))
    with pytest.raises(ToolError, match="no public page"):
        await search(make(web), "other")


async def test_links_through_the_engine_are_unwrapped(web):
    web.answer = lambda query: result_page(("T", "//duckduckgo.com/l/?uddg=https%3A%2F%2Fants.example.org%2Fx&rut=1", "six"))
    assert "https://ants.example.org/x" in await search(make(web))


async def test_pages_are_read_where_the_recipe_wants_it(web):
    web.pages["/ant"] = (
        200,
        {"Content-Type": "text/html"},
        b"<script>x</script><p>An ant has six legs.</p>" + b"<p>more</p>" * 500,
    )
    web.answer = lambda query: result_page(
        ("Ant", f"{web.url}/ant", "legs"), ("Gone", f"{web.url}/gone", "x"), ("Third", f"{web.url}/3", "x")
    )
    options = {"private_hosts": ("127.0.0.1",), "fetch_pages": True, "max_pages": 2, "page_chars": 100}
    found = await search(make(web, **options))
    assert "[page of 1]\nAn ant has six legs.\nmore" in found
    assert "[page of 2]\n(not read: the page answered with status 404)" in found
    assert len(found) < 500
    web.paths.clear()
    await search(make(web, **options))
    assert web.paths == ["/gone"]  # what was read is remembered, what failed is tried again
    await search(make(web, private_hosts=("127.0.0.1",)))
    assert web.paths == ["/gone"]


@pytest.mark.parametrize("query", [" ", "\x00\x1f", "\u2028"])
async def test_a_query_without_a_word_asks_nothing(web, query):
    with pytest.raises(ToolError, match="has no word"):
        await search(make(web), query)
    assert web.queries == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"endpoint": "ftp://x"}, r"web_search\.endpoint = 'ftp://x'"),
        ({"cache": "{corpus}"}, "web cache"),
        ({"corpus": "/no/such"}, r"tools\.options\.web_search\.corpus: .*no such file"),
        ({"region": "Mars"}, r"web_search\.region = 'Mars'"),
    ],
)
def test_wrong_options_are_explained(web, corpus, options, message):
    with pytest.raises(ConfigError, match=message):
        make(web, **{key: value.format(corpus=corpus) for key, value in options.items()})


def test_a_missing_extra_is_named(tmp_path):
    code = (
        "import sys; sys.modules['ddgs'] = None\n"
        "from anyprefer.config import ToolsConfig; from anyprefer.tools.registry import build_tools\n"
        "try: build_tools(ToolsConfig(names=('web_search',)))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ConfigError the tool 'web_search' needs a package that is not installed")
    assert "ddgs" in done.stdout
    assert "pip install 'anyprefer[tools]'" in done.stdout
