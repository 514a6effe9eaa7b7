"""Providers of this and of other packages: found by prefix, checked before any work, and what they say is heeded."""

import asyncio
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import distribution
import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from loopback import LoopbackModel, recipe_data

from anyprefer.backends.budget import Budget
from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.chat import open_chat
from anyprefer.backends.client import Completion
from anyprefer.backends.openai import OpenAIProvider
from anyprefer.backends.provider import Connection, Provider, Server
from anyprefer.backends.providers import Backends
from anyprefer.backends.registry import PROVIDERS, available_providers, load_provider, register_provider
from anyprefer.config import RoleConfig
from anyprefer.errors import ConfigError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.in_memory import synthesize
from anyprefer.types import Message, PreferenceRecord, Task

ACME = """
import os
from anyprefer.backends.chat import open_chat
from anyprefer.backends.provider import Connection, Provider
from anyprefer.errors import ConfigError

class Acme(Provider):
    slots = 3
    @classmethod
    def check_access(cls, role, config):
        if "ACME_URL" not in os.environ:
            raise ConfigError(f"{role}.model needs ACME_URL")
    async def open(self, config):
        return Connection(open_chat(config, config.name_at_provider, os.environ["ACME_URL"], "none", self.host.http()))

class Hollow(Provider):
    pass
"""


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda name, points, source=ACME: distribution.install(monkeypatch, tmp_path, name, source, PROVIDERS.group, points)


def recipe(**target: Any) -> Any:
    role = {"model": "acme:large", **target}
    return parse_recipe({"name": "x", "target": role, "judge": {"model": "acme:small"}})


def complete(backends: Backends, n: int = 1, calls: MemoryCalls | None = None) -> Completion:
    async def main() -> Completion:
        async with backends:
            ask = (Message(role="user", content="Hello"),)
            client = backends.client("target", calls or MemoryCalls())
            return await client.complete(ask, CallSite("task", "target", 0, "sample/0"), n=n)

    return asyncio.run(main())


def test_built_in_providers_are_known_without_importing_them() -> None:
    assert set(available_providers()) >= {"llamacpp", "openai", "vllm"}
    assert all(load_provider(name) for name in ("llamacpp", "openai", "vllm"))
    assert load_provider("nobody") is None


def test_a_provider_of_another_package_makes_a_record(
    install: Any, model: LoopbackModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme_models", {"acme": "acme_models:Acme"})
    assert "acme" in available_providers()
    assert "acme_models" not in sys.modules
    monkeypatch.setenv("ACME_URL", model.url)

    async def main() -> list[PreferenceRecord]:
        return [record async for record in synthesize([Task(prompt="What is 12 * 12?")], recipe())]

    (record,) = asyncio.run(main())
    assert record.status == "accepted"
    assert record.models["target"] == "acme:large"
    assert {body["model"] for body in model.requests} == {"large", "small"}


def test_what_a_provider_says_of_itself_is_heeded(install: Any, model: LoopbackModel, monkeypatch: pytest.MonkeyPatch) -> None:
    install("acme_models", {"acme": "acme_models:Acme"})
    with pytest.raises(ConfigError, match=r"target\.model needs ACME_URL"):
        Backends(recipe())
    monkeypatch.setenv("ACME_URL", model.url)
    backends = Backends(recipe())
    complete(backends)
    assert backends.endpoints["acme:large"].ceiling == 3
    with pytest.raises(ConfigError, match="a budget in dollars needs the price of 'acme:"):
        Backends(recipe(), budget=Budget(None, 1.0))


def test_a_class_registered_in_a_notebook_serves_like_any_other(model: LoopbackModel) -> None:
    opened, closed = [], []

    class Here:
        running = True
        url = model.url

    class Counting(Provider):
        is_free: ClassVar[bool] = True
        counts_tokens: ClassVar[bool] = True

        async def open(self, config: RoleConfig) -> Connection:
            opened.append(config.name_at_provider)
            return Connection(open_chat(config, config.name_at_provider, model.url, "none", self.host.http()), Here())

        async def count_tokens(self, server: Server, text: str) -> int:
            assert server.url == model.url
            return 100

        async def aclose(self) -> None:
            closed.append(True)

    register_provider("counting", Counting)
    made = parse_recipe({"name": "x", "target": {"model": "counting:a"}, "judge": {"model": "counting:b"}})
    done = complete(Backends(made, budget=Budget(None, 1.0)), n=2)
    assert len(done.texts) == 2
    assert (opened, closed) == (["a"], [True])


def test_any_chat_model_of_langchain_serves_and_its_tokens_count() -> None:
    said = AIMessage("Hi", usage_metadata={"input_tokens": 5, "output_tokens": 6, "total_tokens": 11})

    class Foreign(Provider):
        async def open(self, config: RoleConfig) -> Connection:
            return Connection(GenericFakeChatModel(messages=iter([said])))

    register_provider("foreign", Foreign)
    made = parse_recipe({"name": "x", "target": {"model": "foreign:a"}, "judge": {"model": "foreign:b"}})
    calls = MemoryCalls()
    assert complete(Backends(made), calls=calls).texts == ("Hi",)
    used = asyncio.run(calls.usage("task"))["target"]
    assert (used.prompt_tokens, used.completion_tokens) == (5, 6)


def test_the_class_of_the_docs_answers(model: LoopbackModel) -> None:
    page = (Path(__file__).parents[3] / "docs" / "embedding.md").read_text(encoding="utf-8")
    source, entry = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[-1] for kind in ("python", "toml"))
    names = {"Connection": Connection, "Provider": Provider, "RoleConfig": RoleConfig, "open_chat": open_chat}
    exec(source.replace("http://127.0.0.1:8000/v1", model.url), names)
    register_provider("paged", names["Acme"])
    made = parse_recipe({"name": "x", "target": {"model": "paged:a"}, "judge": {"model": "paged:b"}})
    assert complete(Backends(made)).texts
    assert list(tomllib.loads(entry)["project"]["entry-points"]) == [PROVIDERS.group]


@pytest.mark.parametrize("prefix", ["openai", "", "a:b"])
def test_a_prefix_that_is_taken_or_unreadable_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be registered|is built in"):
        register_provider(prefix, OpenAIProvider)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("odd_models:Hollow", "Hollow, lacks the method open"),
        ("odd_models:os", "make it a subclass of"),
        ("odd_models:Missing", "cannot be imported: AttributeError"),
        ("no_such_module_anywhere:X", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_what_is_no_provider_is_explained(install: Any, path: str, words: str) -> None:
    install("odd_models", {"odd": path})
    with pytest.raises(ConfigError, match=words):
        load_provider("odd")


def test_two_packages_with_one_prefix_are_refused_and_a_built_in_one_cannot_be_taken(install: Any) -> None:
    install("first_models", {"acme": "first_models:Acme", "openai": "first_models:Acme"})
    install("second_models", {"acme": "second_models:Acme"})
    with pytest.raises(ConfigError, match="claimed by first_models:Acme and second_models:Acme"):
        load_provider("acme")
    assert load_provider("openai") is OpenAIProvider


def test_an_unknown_prefix_is_told_which_there_are(model: LoopbackModel) -> None:
    with pytest.raises(ConfigError, match=r"target\.model = 'bogus:x'.*llamacpp.*openai.*vllm"):
        Backends(parse_recipe(recipe_data(model.url, target={"model": "bogus:x"})))


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"embedded": {"slots": 2}}, "embedded.slots = 2 must be at least sampling.num_candidates = 5"),
        ({"tools": {"samples": 6}}, "embedded.slots = 5 must be at least tools.samples = 6"),
    ],
)
def test_more_samples_than_the_embedded_server_has_slots_are_refused(sections: dict[str, Any], words: str) -> None:
    role = {"model": "llamacpp:smollm2-135m"}
    with pytest.raises(ConfigError, match=words):
        Backends(parse_recipe({"name": "x", "target": role, "judge": role, **sections}))
    one_by_one = {"target": {**role, "request_n": False}, "judge": {"model": "llamacpp:smollm2-135m"}}
    Backends(parse_recipe({"name": "x", **one_by_one, "embedded": {"slots": 1}}))


@pytest.mark.parametrize("kind", ["openai", "vllm", "chat:openai"])
@pytest.mark.parametrize("key", ["sk-1234\n", "sk-\N{CYRILLIC SMALL LETTER A}"])
def test_a_key_that_no_request_can_carry_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch, kind: str, key: str) -> None:
    monkeypatch.setenv("MY_KEY", key)
    role = {"model": f"{kind}:m", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "MY_KEY"}
    with pytest.raises(ConfigError, match=r"the value of MY_KEY holds a line break or a letter that no key has") as error:
        Backends(parse_recipe({"name": "x", "target": role, "judge": role}))
    assert "sk-" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:8000/v1", "give an http or https URL"), ("http://[bad/v1", "give an http or https URL"),
        ("http://", "give an http or https URL"), ("http://me:hunter2@127.0.0.1:9/v1", "holds a password"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_any_work(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"target.base_url.*{words}") as error:
        Backends(parse_recipe(recipe_data(url)))
    assert "hunter2" not in str(error.value)
