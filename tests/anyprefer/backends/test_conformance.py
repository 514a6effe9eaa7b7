"""Every provider does what the others do: one suite over all of them, against servers that speak their protocols."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conformance import CAPABILITIES, CONFORMANCE, EMBEDDED, FAULTS
from protocols import Body, ProtocolServer, Said
from pydantic import BaseModel

from anyprefer.backends import retry
from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.client import Completion, ModelClient, strict_schema
from anyprefer.backends.providers import Backends
from anyprefer.backends.weights import resolve_weights
from anyprefer.errors import EndpointDownError, ModelFetchError, ModelUnavailableError
from anyprefer.recipes import parse_recipe
from anyprefer.types import Message, ToolResult

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # Google's SDK

SITE = CallSite("task", "target", 0, "sample/0")
QUESTION = (Message(role="system", content="Be brief."), Message(role="user", content="What is 2 + 2?"))
TOOL = {
    "name": "weather",
    "description": "The weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
Work = Callable[[ModelClient], Any]


class Form(BaseModel):
    digit: int


@pytest.fixture
def server() -> Iterator[ProtocolServer]:
    with ProtocolServer() as running:
        yield running


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.01)


def run(server: ProtocolServer, provider: str, work: Work, **config: Any) -> Any:
    """Do something with the client of a role at the server, in an event loop of its own."""
    speaks_openai = provider in ("openai", "vllm", "chat:openai")
    role = {"model": f"{provider}:m", "base_url": server.url + "/v1" * speaks_openai, "max_retries": 1, **config}
    recipe = parse_recipe({"name": "x", "target": role, "judge": role})

    async def main() -> Any:
        async with Backends(recipe) as backends:
            return await work(backends.client("target", MemoryCalls()))

    return asyncio.run(main())


def ask(**wish: Any) -> Work:
    return lambda client: client.complete(wish.pop("messages", QUESTION), SITE, **wish)


def says(said: Said) -> Callable[[Body], Said]:
    return lambda body: said


def text(server: ProtocolServer, provider: str) -> str:
    completion: Completion = run(server, provider, ask())
    return "yes" if (completion.texts, completion.endings) == (("Four",), ("complete",)) else "no"


def system(server: ProtocolServer, provider: str) -> str:
    run(server, provider, ask())
    (body,) = server.bodies
    asked = str(next(one for one in body.get("messages") or body["contents"] if one["role"] == "user"))
    return "yes" if "Be brief." in str(body) and "Be brief." not in asked else "no"


def several_samples(server: ProtocolServer, provider: str) -> str:
    completion: Completion = run(server, provider, ask(n=3))
    assert completion.texts == ("Four",) * 3
    return {1: "one request", 3: "one each"}[len(server.requests)]


def seed(server: ProtocolServer, provider: str) -> str:
    run(server, provider, ask())
    return "yes" if str(SITE.seed(0)) in str(server.bodies[0]) else "no"


def schema(server: ProtocolServer, provider: str) -> str:
    server.said = says(Said('{"digit": 4}'))
    assert run(server, provider, lambda client: client.structured(QUESTION, SITE, Form)) == Form(digit=4)
    asked = "JSON schema" in str(server.bodies[0].get("messages") or server.bodies[0]["contents"])
    return "yes" if "'digit': {" in str(server.bodies[0]) and not asked else "no"


def json_object(server: ProtocolServer, provider: str) -> str:
    server.said = says(Said('```json\n{"digit": 4}\n```'))
    work: Work = lambda client: client.structured(QUESTION, SITE, Form)  # noqa: E731 - two words
    assert run(server, provider, work, reply_format="json_object") == Form(digit=4)
    rest = str({name: value for name, value in server.bodies[0].items() if name not in ("messages", "contents")})
    return "as a schema" if "'digit': {" in rest else "yes" if "json" in rest else "no"


def log_probabilities(server: ProtocolServer, provider: str) -> str:
    server.said = says(Said("4"))
    completion: Completion = run(server, provider, ask(digits=True))
    return "yes" if completion.digits == [(0, {"4": -0.5, "0": -1.0})] else "no"


def tool_calls(server: ProtocolServer, provider: str) -> str:
    server.said = lambda body: Said(
        "18 C" if "Clear" in str(body) else "", call=None if "Clear" in str(body) else ("weather", {"city": "Rome"})
    )
    first: Completion = run(server, provider, ask(tools=[TOOL]))
    (call,) = first.replies[0].calls
    assert first.endings == ("complete",)
    assert (call.name, call.args) == ("weather", {"city": "Rome"})
    assert "weather" in str(server.bodies[0].get("tools"))
    result = Message(role="tool", content=(ToolResult(id=call.id, content="Clear, 18 C"),))
    second = run(server, provider, ask(messages=(*QUESTION, *first.replies[0].messages, result), tools=[TOOL]))
    return "yes" if second.texts == ("18 C",) else "no"


def reasoning(server: ProtocolServer, provider: str) -> str:
    server.said = says(Said("Four", thought="2 and 2"))
    wish = {"extra_body": {"reasoning": True}} if provider == "chat:ollama" else {}
    reply = run(server, provider, ask(), **wish).replies[0]
    assert reply.answer == "Four"
    return "yes" if reply.reasoning == "2 and 2" else "no"


def usage(server: ProtocolServer, provider: str) -> str:
    async def spent(client: ModelClient) -> tuple[int, int]:
        await client.complete(QUESTION, SITE)
        used = (await client.calls.usage("task"))["target"]
        return used.prompt_tokens, used.completion_tokens

    server.said = says(Said(thought="2 and 2"))
    counted = run(server, provider, spent)
    server.said = says(Said(usage=None))
    assert min(run(server, provider, spent)) > 0  # estimated
    return "yes" if counted == (11, 7) else f"no: {counted}"


def ends(end: Any, ending: str) -> Callable[[ProtocolServer, str], str]:
    def measure(server: ProtocolServer, provider: str) -> str:
        server.said = says(Said(end=end))
        return "yes" if run(server, provider, ask()).endings == (ending,) else "no"

    return measure


MEASURES: dict[str, Callable[[ProtocolServer, str], str]] = {
    "text": text, "system": system, "several samples": several_samples, "seed": seed, "JSON schema": schema,
    "JSON object": json_object, "log-probabilities": log_probabilities, "tool calls": tool_calls, "reasoning": reasoning,
    "usage": usage, "cut off": ends("length", "cut"), "held back": ends("filter", "filtered"),
    "odd ending": ends("odd", "failed"),
}  # fmt: skip


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("provider", CONFORMANCE)
def test_a_provider_can_do_what_the_table_says(server: ProtocolServer, provider: str, capability: str) -> None:
    assert MEASURES[capability](server, provider) == CONFORMANCE[provider][capability]


@pytest.mark.parametrize("status", FAULTS)
@pytest.mark.parametrize("provider", CONFORMANCE)
def test_a_status_means_the_same_from_every_provider(server: ProtocolServer, provider: str, status: str) -> None:
    server.headers, server.error = {"Retry-After": "0"}, "scripted words"
    if FAULTS[status] == "retried":
        server.fault = lambda number: int(status) if number == 0 else None
        assert run(server, provider, ask()).texts == ("Four",)
        assert len(server.requests) == 2
        return
    server.fault = lambda number: int(status)
    with pytest.raises(EndpointDownError, match="scripted words"):
        run(server, provider, ask())
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["half", "empty", "hang"])
@pytest.mark.parametrize("provider", CONFORMANCE)
def test_a_reply_that_does_not_come_whole_is_asked_for_again(server: ProtocolServer, provider: str, fault: Any) -> None:
    server.fault = lambda number: fault if number == 0 else None
    assert run(server, provider, ask(), timeout_seconds=0.5 if fault == "hang" else 60).texts == ("Four",)
    assert len(server.requests) == 2


@pytest.mark.parametrize("provider", CONFORMANCE)
def test_an_endpoint_that_is_not_there_is_unreachable(server: ProtocolServer, provider: str) -> None:
    with pytest.raises(ModelUnavailableError) as caught:
        run(server, provider, ask(), base_url="http://127.0.0.1:9", max_retries=0)
    assert caught.value.kind == "unreachable"


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A recipe whose roles are all one small model, loaded here."""
    pytest.importorskip("xllamacpp", reason="the extra 'local' is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    try:
        resolve_weights("smollm2-135m")
    except ModelFetchError as error:
        pytest.skip(f"no weights: {error}")
    role = {"model": "llamacpp:smollm2-135m", "max_tokens": 24, "timeout_seconds": 300}
    tables = {
        "target": role,
        "judge": role,
        "critic": {**role, "reply_format": "json_object"},
        "embedded": {"context_tokens": 512},
    }
    return parse_recipe({"name": "x", **tables})


async def test_the_embedded_server_can_do_what_the_table_says(embedded: Any) -> None:
    async with Backends(embedded) as backends:

        async def say(role: str = "target", step: str = "sample/0", **wish: Any) -> tuple[Completion, MemoryCalls]:
            calls = MemoryCalls()
            site = CallSite("task", "target", 0, step)
            return await backends.client(role, calls).complete(wish.pop("messages", QUESTION), site, **wish), calls

        one, calls = await say()
        again, _ = await say()
        other, _ = await say(step="sample/1")
        several, together = await say(n=3)
        _, told_more = await say(messages=(Message(role="system", content="Be brief. " * 30), QUESTION[1]))
        form = strict_schema(Form)
        held, _ = await say("judge", schema=form, digits=True)
        loose, _ = await say("critic", schema=form)
    (call,), (longer,), (joint,) = (store.calls.values() for store in (calls, told_more, together))
    found = {
        "text": bool(one.texts[0]), "system": longer.prompt_tokens > call.prompt_tokens + 60,
        "several samples": len(set(several.texts)) == 3, "seed": one.texts == again.texts != other.texts,
        "JSON schema": Form.model_validate_json(held.texts[0]).digit >= 0, "JSON object": loose.texts[0].lstrip().startswith("{"),
        "log-probabilities": bool(held.digits), "usage": not call.estimated and joint.completion_tokens > call.completion_tokens,
        "cut off": one.endings == ("cut",),
    }  # fmt: skip
    assert {what: how for what, how in EMBEDDED.items() if found[what]} == EMBEDDED
    assert found.keys() == EMBEDDED.keys()
