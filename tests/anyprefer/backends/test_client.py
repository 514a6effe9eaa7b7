"""The client against a real server: faults, retries, keys, usage."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from loopback import LoopbackModel, recipe_data
from pydantic import BaseModel, Field

from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.client import Completion, strict_schema
from anyprefer.backends.providers import Backends
from anyprefer.errors import AnypreferError, ConfigError, EndpointDownError, ModelRefusedError, ModelUnavailableError
from anyprefer.recipes import parse_recipe
from anyprefer.types import Message

SITE = CallSite("task", "target", 0, "sample/0")
HELLO = (Message(role="user", content="Hello"),)


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def complete(url: str, *sites: CallSite, n: int = 1, calls: MemoryCalls | None = None, **target: Any) -> list[Completion]:
    async def main() -> list[Completion]:
        async with Backends(parse_recipe(recipe_data(url, target=target))) as backends:
            client = backends.client("target", calls or MemoryCalls())
            return [await client.complete(HELLO, site, n=n) for site in sites or (SITE,)]

    return asyncio.run(main())


def test_five_samples_are_one_request_counted_once(model: LoopbackModel) -> None:
    calls = MemoryCalls()
    (completion,) = complete(model.url, n=5, calls=calls)
    assert len(set(completion.texts)) == 5
    assert len(model.requests) == 1
    assert asyncio.run(calls.usage("task"))["target"].completion_tokens == 35


def test_completed_call_is_never_made_again(model: LoopbackModel) -> None:
    calls = MemoryCalls()
    first, second = complete(model.url, SITE, SITE, calls=calls)
    assert first == second
    assert len(model.requests) == 1


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"max_tokens": 5}, {"top_p": 0.5}, {"extra_body": {"top_k": 3}}])
def test_key_covers_what_changes_a_reply(model: LoopbackModel, change: dict[str, Any]) -> None:
    calls = MemoryCalls()
    complete(model.url, calls=calls)
    complete(model.url, calls=calls, **change)
    assert len(model.requests) == 2


def test_parameters_reach_the_server(model: LoopbackModel) -> None:
    complete(model.url, temperature=0.25, max_tokens=17, extra_body={"top_k": 3})
    body = model.requests[0]
    assert (body["temperature"], body["max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"]) == (0.25, 17)
    assert body["top_k"] == 3
    assert isinstance(body["seed"], int)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_retried(model: LoopbackModel, status: int) -> None:
    model.before = lambda body: status if len(model.requests) < 3 else None
    (completion,) = complete(model.url)
    assert completion.texts[0].startswith("Answer")
    assert len(model.requests) == 3


@pytest.mark.parametrize(
    ("status", "error", "count"),
    [(503, ModelUnavailableError, 2), (401, EndpointDownError, 1), (404, EndpointDownError, 1), (400, ModelRefusedError, 1)],
)
def test_lasting_trouble_is_typed(model: LoopbackModel, status: int, error: type[AnypreferError], count: int) -> None:
    model.before = lambda body: status
    with pytest.raises(error, match=str(status)):
        complete(model.url, max_retries=1)
    assert len(model.requests) == count


def test_hanging_request_is_cut(model: LoopbackModel) -> None:
    model.delay_seconds = 30
    with pytest.raises(ModelUnavailableError, match=r"target\.timeout_seconds"):
        complete(model.url, max_retries=0, timeout_seconds=0.2)


def test_dead_endpoint_is_reported_before_any_work() -> None:
    async def main() -> None:
        async with Backends(parse_recipe(recipe_data("http://127.0.0.1:9/v1"))) as backends:
            await backends.start()

    with pytest.raises(ModelUnavailableError, match=r"http://127\.0\.0\.1:9/v1"):
        asyncio.run(main())


def test_missing_key_is_reported_before_any_work() -> None:
    with pytest.raises(ConfigError, match=r"target\.model = 'openai:m' needs a key.*OPENAI_API_KEY"):
        Backends(parse_recipe(recipe_data("https://models.example/v1")))


@pytest.mark.parametrize("name", ["gpt-4o", "openai:", "bogus:x", ""])
def test_bad_model_name_is_reported(name: str) -> None:
    with pytest.raises(ConfigError, match=r"target\.model"):
        Backends(parse_recipe(recipe_data("http://127.0.0.1:9/v1", target={"model": name})))


def test_key_never_reaches_what_is_stored(model: LoopbackModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret-123")
    calls = MemoryCalls()
    complete(model.url, calls=calls, api_key_env="MY_KEY")
    assert "sk-secret-123" not in repr(calls.calls)


def test_schema_for_servers_requires_everything_and_keeps_short_limits_only() -> None:
    class Inner(BaseModel):
        query: Annotated[str, Field(max_length=300)] = "x"
        program: Annotated[str, Field(max_length=20_000)] = ""

    class Outer(BaseModel):
        calls: list[Inner] = []

    form = strict_schema(Outer)
    inner = form["$defs"]["Inner"]
    assert form["required"] == ["calls"]
    assert inner["required"] == ["query", "program"]
    assert inner["properties"]["query"]["maxLength"] == 300
    assert "maxLength" not in inner["properties"]["program"]
