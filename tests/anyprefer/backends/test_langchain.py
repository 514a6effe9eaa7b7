"""Any chat model of LangChain plays a role: set up before any work, keyed for one host, retried and counted like the others."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from protocols import ProtocolServer, Said
from pydantic import BaseModel

from anyprefer.backends import retry
from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.capabilities import Capabilities
from anyprefer.backends.client import Completion
from anyprefer.backends.embedded import EmbeddedServer
from anyprefer.backends.foreign_chat import express
from anyprefer.backends.langchain import build_chat
from anyprefer.backends.providers import Backends
from anyprefer.backends.weights import resolve_weights
from anyprefer.config import EmbeddedConfig, RoleConfig
from anyprefer.errors import ConfigError, EndpointDownError, ModelFetchError, ModelRefusedError
from anyprefer.recipes import parse_recipe
from anyprefer.types import Message

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # Google's SDK

SITE = CallSite("task", "target", 0, "sample/0")
QUESTION = (Message(role="system", content="Be brief."), Message(role="user", content="What is 2 + 2?"))
KEY = "sk-ant-" + "0" * 40


class Form(BaseModel):
    digit: int


class Echo(BaseChatModel):
    """A class of somebody's own: no tools, no schemas, no settings but its name."""

    name_of_model: str = ""
    model_name: str = ""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **options: Any) -> ChatResult:
        if "JSON schema" not in messages[-1].text:
            return ChatResult(generations=[ChatGeneration(message=AIMessage(f"{self.model_name}: {messages[-1].text}"))])
        return ChatResult(generations=[ChatGeneration(message=AIMessage('So: {"digit": 4}'))])


@pytest.fixture
def server() -> Iterator[ProtocolServer]:
    with ProtocolServer() as running:
        yield running


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.01)


def recipe(model: str, **config: Any) -> Any:
    role = {"model": model, "max_retries": 1, **config}
    return parse_recipe({"name": "x", "target": role, "judge": role})


def complete(made: Any, messages: tuple[Message, ...] = QUESTION, calls: MemoryCalls | None = None, **wish: Any) -> Completion:
    async def main() -> Completion:
        async with Backends(made) as backends:
            return await backends.client("target", calls or MemoryCalls()).complete(messages, SITE, **wish)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("chat:anthropic", r"write chat:PROVIDER:NAME, such as 'chat:anthropic:"),
        ("chat:nobody:m", r"cannot be set up: Unsupported provider='nobody'\. Supported model providers are: anthropic"),
        ("chat:groq:m", r"a package that is missing here: pip install 'anyprefer\[langchain\]' langchain-groq"),
        ("chat:anthropic:m", "set the environment variable ANTHROPIC_API_KEY, or name another one in target.api_key_env"),
        ("chat:google_genai:m", "needs a key: .*GOOGLE_API_KEY/GEMINI_API_KEY"),
        ("chat:openai:m", "needs a key: .*OPENAI_API_KEY"),
        ("chat:no_such_module.Chat:m", r"'no_such_module\.Chat' cannot be imported"),
        ("chat:json.JSONDecoder:m", "is no chat model of LangChain"),
    ],
)
def test_what_cannot_be_opened_is_said_before_any_work(model: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"target\\.model = '{model}'.*{words}"):
        Backends(recipe(model))


def test_the_extra_is_named_where_langchain_is_missing() -> None:
    source = (
        "import sys; sys.modules['langchain'] = None\n"
        "from anyprefer.backends.langchain import build_chat; from anyprefer.config import RoleConfig\n"
        "build_chat('target', RoleConfig(model='chat:anthropic:m'))"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.splitlines()[-1].endswith("needs a package that is missing here: pip install 'anyprefer[langchain]'")


@pytest.mark.parametrize(
    ("model", "extra", "words"),
    [
        ("chat:anthropic:m", {"temperature": 1}, r"target\.extra_body\.temperature: write it as target\.temperature"),
        ("chat:anthropic:m", {"base_url": "http://b"}, r"write it as target\.base_url"),
        ("chat:anthropic:m", {"anthropic_api_key": "k"}, r"write it as target\.api_key_env"),
        ("chat:anthropic:m", {"metadata": {"user_id": "u"}}, "ChatAnthropic keeps it for itself"),
        ("chat:ollama:m", {"mirostatt": 1}, r"target\.extra_body\.mirostatt: ChatOllama has no such setting"),
        ("chat:anthropic:m", {"thinking": 3}, "cannot be set up: Input should be a valid dictionary$"),
    ],
)
def test_settings_that_a_class_does_not_have_are_refused(
    monkeypatch: pytest.MonkeyPatch, model: str, extra: dict[str, Any], words: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with pytest.raises(ConfigError, match=words) as caught:
        Backends(recipe(model, extra_body=extra))
    assert KEY not in str(caught.value)


def test_settings_of_a_class_and_fields_of_a_request_reach_the_endpoint(server: ProtocolServer) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    complete(recipe("chat:anthropic:m", base_url=server.url, extra_body={"thinking": thinking, "service_tier": "auto"}))
    assert (server.bodies[0]["thinking"], server.bodies[0]["service_tier"]) == (thinking, "auto")
    complete(recipe("chat:ollama:m", base_url=server.url, extra_body={"num_ctx": 9000}))
    assert (server.bodies[1]["options"]["num_ctx"], server.bodies[1]["stream"]) == (9000, False)


@pytest.mark.parametrize("provider", ["anthropic", "google_genai", "ollama", "openai"])
def test_a_key_goes_to_no_host_that_the_recipe_does_not_tie_it_to(
    server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GOOGLE_API_KEY", "OLLAMA_API_KEY", "OPENAI_API_KEY", "MY_KEY"):
        monkeypatch.setenv(name, f"secret-{name}")
    url = server.url + "/v1" * (provider == "openai")
    complete(recipe(f"chat:{provider}:m", base_url=url))
    complete(recipe(f"chat:{provider}:m", base_url=url, api_key_env="MY_KEY"))
    (_, _, without), (_, _, with_key) = server.requests
    assert not [value for value in without.values() if "secret" in value]
    assert [value for value in with_key.values() if "secret" in value] in (["secret-MY_KEY"], ["Bearer secret-MY_KEY"])


def test_the_list_of_models_is_asked_for_without_a_key(server: ProtocolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server.said = lambda body: Said('{"yes": true}')

    async def main() -> None:
        async with Backends(recipe("chat:anthropic:m", base_url=server.url)) as backends:
            await backends.start()

    asyncio.run(main())
    assert server.listed
    assert not any("secret" in value for headers in server.listed for value in headers.values())


def test_a_class_of_ones_own_serves_by_its_import_path() -> None:
    made = recipe(f"chat:{__name__}.Echo:small")
    assert express(build_chat("target", made.target)) == Capabilities(
        reply_format="text", max_n=1, top_logprobs=0, tools=False, omit=("max_tokens", "seed", "temperature", "top_p")
    )
    assert complete(made, n=2).texts == ("small: What is 2 + 2?",) * 2

    async def main() -> Form:
        async with Backends(made) as backends:
            return await backends.client("target", MemoryCalls()).structured(QUESTION, SITE, Form)

    assert asyncio.run(main()) == Form(digit=4)
    with pytest.raises(ModelRefusedError, match="Echo takes no tools; tools of a task cannot be left out"):
        complete(made, tools=[{"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}}])


def test_a_class_that_refuses_a_setting_is_asked_without_it(server: ProtocolServer) -> None:
    made = recipe("chat:anthropic:claude-sonnet-5-5", base_url=server.url, temperature=0.5)
    assert complete(made).texts == ("Four",)
    assert ["temperature" in body for body in server.bodies] == [False]


def test_what_is_known_of_a_model_tells_its_context() -> None:
    able = express(build_chat("target", RoleConfig(model="chat:anthropic:claude-sonnet-4-5", base_url="http://127.0.0.1:9")))
    assert (able.context_tokens, able.images, able.max_n) == (200_000, True, 1)
    own = RoleConfig(model="chat:ollama:m", extra_body={"num_ctx": 9000})
    assert express(build_chat("target", own)).context_tokens == 9000


def test_a_daily_quota_stops_the_run_and_a_quota_of_a_minute_does_not(server: ProtocolServer) -> None:
    made = recipe("chat:google_genai:m", base_url=server.url)
    server.error = "Quota exceeded for quota metric 'Requests', limit 'GenerateRequestsPerDayPerProject'"
    server.fault = lambda number: 429
    with pytest.raises(EndpointDownError, match="429"):
        complete(made)
    server.error = "API key not valid. Please pass a valid API key."
    server.fault = lambda number: 400
    with pytest.raises(EndpointDownError, match="api_key_env"):
        complete(made)


def test_a_process_may_run_its_models_in_several_event_loops(server: ProtocolServer) -> None:
    for provider in ("anthropic", "ollama", "google_genai", "openai"):
        made = recipe(f"chat:{provider}:m", base_url=server.url + "/v1" * (provider == "openai"))
        assert [complete(made).texts for _ in range(2)] == [("Four",)] * 2


def test_a_blocked_prompt_of_gemini_is_held_back_and_no_answer(server: ProtocolServer) -> None:
    server.said = lambda body: Said(end="blocked")
    completion = complete(recipe("chat:google_genai:m", base_url=server.url))
    assert (completion.texts, completion.endings) == (("",), ("filtered",))


@pytest.fixture(scope="module")
def weights() -> Any:
    pytest.importorskip("xllamacpp", reason="the extra 'local' is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        try:
            return resolve_weights("smollm2-135m")
        except ModelFetchError as error:
            pytest.skip(f"no weights: {error}")


async def test_a_real_server_answers_in_anthropics_protocol(weights: Any) -> None:
    async with EmbeddedServer(weights, EmbeddedConfig(slots=2, context_tokens=512)) as llama:
        made = recipe("chat:anthropic:smollm2", base_url=llama.url.removesuffix("/v1"), max_tokens=12, temperature=0)
        calls = MemoryCalls()
        async with Backends(made) as backends:
            client = backends.client("target", calls)
            completion = await client.complete(QUESTION, SITE, n=2)
    assert (len(completion.texts), set(completion.endings) <= {"cut", "complete"}) == (2, True)
    assert all(completion.texts)
    used = (await calls.usage("task"))["target"]
    assert used.calls == 2
    assert used.prompt_tokens > 2 * 20
    assert 0 < used.completion_tokens <= 2 * 12
    assert not any(call.estimated for call in calls.calls.values())
