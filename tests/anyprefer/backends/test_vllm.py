"""vLLM servers, started from a stand-in for its command, which needs a GPU: arguments, readiness, sharing, death, the end."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback import LoopbackModel, recipe_data

from anyprefer.backends import vllm
from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.backends.vllm import VllmModel, VllmProvider, VllmServer
from anyprefer.config import Recipe, VllmConfig
from anyprefer.errors import ConfigError, ModelFetchError, ModelUnavailableError
from anyprefer.recipes import parse_recipe
from anyprefer.types import Message

Started = Callable[[], list[int]]
ASK = (Message(role="user", content="who are you?"),)


@pytest.fixture(autouse=True)
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """The command's stand-in; gives what lists the process ids of all starts."""
    pids = tmp_path / "pids"
    script = tmp_path / "bin" / "vllm"
    script.parent.mkdir()
    stand_in = Path(__file__).with_name("fake_vllm.py")
    script.write_text(f'#!/bin/sh\necho $$ >> {pids}\nexec {sys.executable} {stand_in} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(vllm, "POLL_SECONDS", 0.05)
    return lambda: [int(pid) for pid in pids.read_text().split()]


@pytest.fixture
def running() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def save_adapter(folder: Path, **values: object) -> Path:
    folder.mkdir()
    config = {"base_model_name_or_path": "org/base", "r": 24, **values}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def recipe(target: str, **sections: object) -> Recipe:
    return parse_recipe({"name": "x", "target": {"model": target}, "judge": {"model": "vllm:org/base"}, **sections})


async def say(backends: Backends, role: str, number: int = 0) -> str:
    return (await backends.client(role, MemoryCalls()).complete(ASK, CallSite("t", role, number, "x"))).texts[0]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_base_and_adapter_share_a_server(tmp_path: Path, started: Started) -> None:
    adapter = save_adapter(tmp_path / "adapter")
    async with Backends(recipe(f"vllm:{adapter}")) as backends:
        assert await say(backends, "target") == f"I am {adapter}"
        assert await say(backends, "judge") == "I am org/base"
        (pid,) = started()
        assert runs(pid)
    assert not runs(pid)


def test_the_command_names_adapters_and_a_rank_that_vllm_has(tmp_path: Path) -> None:
    adapter = save_adapter(tmp_path / "adapter")
    found = VllmServer("org/base", [adapter, adapter], VllmConfig(arguments=("--max-model-len", "2048"))).command(8123)
    assert found == [
        "vllm", "serve", "org/base", "--host", "127.0.0.1", "--port", "8123", "--enable-lora", "--max-lora-rank", "32",
        "--lora-modules", f"{adapter}={adapter}", "--max-model-len", "2048",
    ]  # fmt: skip


async def test_a_server_that_died_is_started_again(started: Started) -> None:
    async with Backends(recipe("vllm:org/base")) as backends:
        assert await say(backends, "target") == "I am org/base"
        (pid,) = started()
        server = backends._connections["target"].server
        assert server is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while server.running:  # noqa: ASYNC110 - another process, it sets no event
                await asyncio.sleep(0.01)
        assert await say(backends, "target", 1) == "I am org/base"
    assert len(started()) == 2


async def test_a_server_that_cannot_start_has_its_last_words_told() -> None:
    refusing = recipe("vllm:org/base", vllm={"arguments": ["--refuse"]})
    async with Backends(refusing) as backends:
        with pytest.raises(ModelUnavailableError, match="No available memory for the cache blocks"):
            await asyncio.wait_for(backends.start(), 20)


async def test_a_server_that_takes_too_long_is_given_up() -> None:
    slow = recipe("vllm:org/base", vllm={"start_seconds": 0.1})
    async with Backends(slow) as backends:
        with pytest.raises(ModelUnavailableError, match=r"not ready after 0\.1 s"):
            await backends.start()


async def test_without_vllm_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    async with Backends(recipe("vllm:org/base")) as backends:
        with pytest.raises(ConfigError, match="no command `vllm`"):
            await backends.start()


def save_weights(folder: Path, content: bytes) -> Path:
    adapter = folder if folder.exists() else save_adapter(folder)
    (adapter / "adapter_model.safetensors").write_bytes(content)
    return adapter


async def ask_running(server: LoopbackModel, model: str, **target: object) -> str:
    """What a server that runs already is asked for under a role's model."""
    data = recipe_data(server.url, target={"model": model, **target})
    async with Backends(parse_recipe(data)) as backends:
        await backends.client("target", MemoryCalls()).complete(ASK, CallSite("t", "target", 0, "x"))
    return str(server.requests[-1]["model"])


async def test_a_server_that_runs_already_loads_an_adapter_once(tmp_path: Path, running: LoopbackModel) -> None:
    running.adapters = {}
    adapter = save_weights(tmp_path / "adapter", b"first")
    name = await ask_running(running, f"vllm:{adapter}")
    assert running.adapters == {name: str(adapter)}
    assert await ask_running(running, f"vllm:{adapter}") == name
    assert len(running.adapters) == 1


async def test_an_adapter_that_was_trained_anew_is_not_the_one_that_a_server_has(tmp_path: Path, running: LoopbackModel) -> None:
    running.adapters = {}
    adapter = save_weights(tmp_path / "adapter", b"first")
    before = await ask_running(running, f"vllm:{adapter}")
    save_weights(adapter, b"second")
    assert await ask_running(running, f"vllm:{adapter}") != before
    assert list(running.adapters.values()) == [str(adapter)] * 2


async def test_an_adapter_that_a_server_lists_is_not_loaded(tmp_path: Path, running: LoopbackModel) -> None:
    """Nor is that possible with a server that was started without leave to load any."""
    adapter = save_weights(tmp_path / "adapter", b"first")
    running.listed = [{"id": str(adapter)}]
    assert await ask_running(running, f"vllm:{adapter}") == str(adapter)


async def test_a_server_that_loads_no_adapters_has_the_fix_named(tmp_path: Path, running: LoopbackModel) -> None:
    adapter = save_weights(tmp_path / "adapter", b"first")
    with pytest.raises(ConfigError, match=r"status 404.*VLLM_ALLOW_RUNTIME_LORA_UPDATING=True.*--max-lora-rank 32"):
        await ask_running(running, f"vllm:{adapter}")


async def test_a_server_that_is_not_there_is_no_reason_to_wait_for_weights(tmp_path: Path) -> None:
    adapter = save_weights(tmp_path / "adapter", b"first")
    data = recipe_data("http://127.0.0.1:9/v1", target={"model": f"vllm:{adapter}", "max_retries": 0})
    async with Backends(parse_recipe(data)) as backends:
        with pytest.raises(ModelUnavailableError, match=r"does not answer.*start it"):
            await backends.start(roles=("target",))


def test_a_folder_that_vllm_serves_can_be_trained_and_a_missing_one_has_the_fix_named(tmp_path: Path) -> None:
    assert VllmProvider.find_weights(str(tmp_path)) == tmp_path
    with pytest.raises(ModelFetchError, match=r"training\.model"):
        VllmProvider.find_weights(str(tmp_path / "nowhere"))


def test_adapters_that_vllm_cannot_serve_are_refused(tmp_path: Path) -> None:
    save_adapter(tmp_path / "whole", modules_to_save=["multi_modal_projector"])
    with pytest.raises(ConfigError, match="merge it into its base first"):
        VllmModel.parse(str(tmp_path / "whole"))
