"""What endpoints refuse is left out or put another way, once, and remembered; against a real server."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loopback import Body, LoopbackModel, recipe_data, title_of
from pydantic import BaseModel, ConfigDict

from anyprefer.backends.asking import Ask
from anyprefer.backends.budget import Budget
from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.capabilities import MOST_ENDINGS, Capabilities, Dialect
from anyprefer.backends.probing import PROBE_TOKENS
from anyprefer.backends.providers import Backends
from anyprefer.config import RoleConfig
from anyprefer.errors import EndpointDownError, MalformedReplyError, ModelRefusedError, ModelUnavailableError
from anyprefer.recipes import parse_recipe
from anyprefer.types import Message

SITE = CallSite("task", "judge", 0, "score/0")
CHAT = (Message(role="system", content="Be kind."), Message(role="user", content="Hello"))
Answer = int | tuple[int, Body] | None


class Grade(BaseModel):
    model_config = ConfigDict(extra="forbid", title="Grade")

    score: int


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        server.replies["Grade"] = lambda body, choice: {"score": 7}
        server.counts_probes = True
        yield server


def refuse(message: str, **more: Any) -> Answer:
    return 400, {"error": {"message": message, **more}}


def has_system(body: Body) -> bool:
    return any(message["role"] == "system" for message in body["messages"])


HABITS: dict[str, tuple[Callable[[Body], bool], Answer]] = {
    "schema": (lambda body: "json_schema" in str(body.get("response_format")), refuse("response_format is unavailable now")),
    "any format": (lambda body: "response_format" in body, refuse("structured outputs are off")),
    "n": (lambda body: body.get("n", 1) > 1, refuse("Only n=1 is supported")),
    "n, and numbers": (lambda body: body.get("n", 1) > 1, refuse("n is not supported", code=400)),
    "n limit": (lambda body: body.get("n", 1) > 2, refuse("n must be at most 2", param="n")),
    "seed": (lambda body: "seed" in body, (422, {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs not permitted"}]})),
    "temperature": (lambda body: body.get("temperature", 1) != 1, refuse("'temperature' does not support 0, only 1")),
    "top_p": (lambda body: "top_p" in body, refuse("Unsupported parameter: 'top_p'")),
    "length": (lambda body: "max_completion_tokens" in body, refuse("Unrecognized request argument: max_completion_tokens")),
    "system": (has_system, refuse("System role not supported")),
    "logprobs": (lambda body: "logprobs" in body, refuse("This model does not support log probabilities", param="logprobs")),
    "few logprobs": (lambda body: body.get("top_logprobs", 0) > 5, refuse("top_logprobs must be between 0 and 5")),
}  # fmt: skip


async def use(backends: Backends, calls: MemoryCalls, turn: int = 0) -> tuple[int, int]:
    """The loop's requests at their fullest: samples, and a judgement with log-probabilities."""
    place = CallSite(f"task {turn}", "target", 0, "sample/0")
    samples = await backends.client("target", calls).complete(CHAT, place, n=5)
    site = CallSite(f"task {turn}", "judge", 0, "score/0")
    grade, _ = await backends.client("judge", calls).structured_completion(CHAT, site, Grade, digits=True)
    return len(set(samples.texts)), grade.score


def run(
    url: str, *turns: int, calls: MemoryCalls | None = None, start: bool = False, path: Path | None = None, **role: Any
) -> Any:
    async def main() -> list[tuple[int, int]]:
        sections = {"target": role, "judge": {**role, "expected_score": True}}
        async with Backends(parse_recipe(recipe_data(url, **sections))) as backends:
            if path is not None:
                backends.known.remember(path)
            if start:
                await backends.start(calls or MemoryCalls())
            return [await use(backends, calls or MemoryCalls(), turn) for turn in turns]

    return asyncio.run(main())


def habits(*names: str, words: bool = True) -> Callable[[Body], Answer]:
    def before(body: Body) -> Answer:
        answers = [HABITS[name][1] for name in names if HABITS[name][0](body)]
        return (answers[0] if words else (400, {"error": {"message": "Bad Request"}})) if answers else None

    return before


@pytest.mark.parametrize("start", [False, True], ids=["while running", "tried before"])
@pytest.mark.parametrize("name", HABITS)
def test_a_habit_costs_no_task(model: LoopbackModel, name: str, start: bool) -> None:
    model.before = habits(name)
    assert run(model.url, 0, 1, start=start) == [(5, 7), (5, 7)]


@pytest.mark.parametrize("words", [True, False], ids=["named", "unnamed"])
def test_all_habits_at_once_cost_no_task(model: LoopbackModel, words: bool) -> None:
    model.before = habits("any format", "n", "seed", "temperature", "top_p", "length", "system", "logprobs", words=words)
    numbers = itertools.count()
    model.replies[None] = lambda body, choice: f"Answer {next(numbers)}."
    assert run(model.url, 0, 1, start=True) == [(5, 7), (5, 7)]
    last = model.requests[-1]
    assert set(last) == {"model", "messages", "max_tokens", "stream"}


def test_what_was_learned_is_asked_once(model: LoopbackModel) -> None:
    model.before = habits("any format", "seed", "system")
    run(model.url, 0, 1, 2)
    refused = [body for body in model.requests if habits("any format", "seed", "system")(body)]
    assert len(refused) == 4  # seed, system, JSON schema, JSON object
    assert len(model.requests) == 3 * 2 + 4


def test_an_unnamed_refusal_is_traced_to_its_feature(model: LoopbackModel) -> None:
    model.before = habits("seed", words=False)
    run(model.url, 0, 1, start=True)
    last = model.requests[-1]
    assert "seed" not in last
    assert {"temperature", "top_p", "response_format", "logprobs"} <= set(last)


def test_a_refusal_of_two_features_together_is_traced_to_one_of_them(model: LoopbackModel) -> None:
    model.before = lambda body: refuse("Unknown field") if {"response_format", "seed"} <= set(body) else None
    assert run(model.url, 0, 1, start=True) == [(5, 7), (5, 7)]
    assert "response_format" in model.requests[-1]
    assert "seed" not in model.requests[-1]


def test_tasks_that_are_refused_meanwhile_wait_for_what_is_found_out(model: LoopbackModel) -> None:
    model.before = habits("any format", "n", "seed", words=False)
    model.delay_seconds = 0.02
    numbers = itertools.count()
    model.replies[None] = lambda body, choice: f"Answer {next(numbers)}."

    async def main() -> list[tuple[int, int]]:
        async with Backends(parse_recipe(recipe_data(model.url, judge={"expected_score": True}))) as backends:
            return await asyncio.gather(*(use(backends, MemoryCalls(), turn) for turn in range(8)))

    assert asyncio.run(main()) == [(5, 7)] * 8


def test_a_feature_is_tried_again_where_trying_was_cut_short() -> None:
    dialect, config = Dialect(), RoleConfig(model="openai:m")
    ask = Ask(CHAT, seed=3, temperature=0.0)
    tries = itertools.count()

    async def try_out(small: Ask, able: Capabilities) -> ModelRefusedError | None:
        if next(tries) == 1:
            raise ModelUnavailableError("the line is down", "lost")
        return ModelRefusedError("no") if "seed" not in able.omit else None

    async def adapt() -> bool:
        return await dialect.adapt(ModelRefusedError("no"), ask, config, dialect.known.under(config), try_out)

    with pytest.raises(ModelUnavailableError):
        asyncio.run(adapt())
    assert asyncio.run(adapt())
    assert dialect.known.omit == ("seed",)


def test_what_a_recipe_forces_is_kept_where_a_refusal_names_nothing() -> None:
    dialect, config = Dialect(), RoleConfig(model="openai:m", length_field="max_tokens")
    ask = Ask(CHAT, temperature=0.0)

    async def try_out(small: Ask, able: Capabilities) -> ModelRefusedError | None:
        return None if "max_tokens" in able.omit else ModelRefusedError("no")

    sent = dialect.known.under(config)
    assert not asyncio.run(dialect.adapt(ModelRefusedError("no"), ask, config, sent, try_out))
    assert dialect.known == Capabilities()


def test_a_small_request_that_got_lost_counts_as_spent(model: LoopbackModel) -> None:
    calls, budget = MemoryCalls(), Budget(max_tokens=100_000)

    def before(body: Body) -> Answer:
        if len(model.requests) == 2:
            time.sleep(0.6)
        return refuse("Bad Request") if "seed" in body else None

    model.before = before

    async def main() -> None:
        made = parse_recipe(recipe_data(model.url, target={"timeout_seconds": 0.3}))
        async with Backends(made, budget=budget) as backends:
            await backends.client("target", calls).complete(CHAT, SITE)

    asyncio.run(main())
    counted = sum(call.prompt_tokens + call.completion_tokens for call in calls.calls.values())
    assert budget.spent.tokens >= counted + PROBE_TOKENS


def test_a_role_that_sends_no_schema_says_nothing_about_schemas(model: LoopbackModel) -> None:
    model.replies["Grade"] = lambda body, choice: {"score": 7} if "response_format" in body else "Well done."

    async def main() -> int:
        data = recipe_data(model.url)
        data["critic"] = {**data["judge"], "reply_format": "text"}
        async with Backends(parse_recipe(data)) as backends:
            for turn in range(3):
                with pytest.raises(MalformedReplyError):
                    await backends.client("critic", MemoryCalls()).structured(CHAT, replace(SITE, task_id=str(turn)), Grade)
            return (await backends.client("judge", MemoryCalls()).structured(CHAT, SITE, Grade)).score

    assert asyncio.run(main()) == 7


def test_a_limit_that_was_not_sent_was_not_ignored(model: LoopbackModel) -> None:
    model.usage = lambda body: {"prompt_tokens": 9, "completion_tokens": 500}

    async def main() -> Capabilities:
        async with Backends(parse_recipe(recipe_data(model.url, target={"omit": ["max_tokens"], "max_tokens": 64}))) as backends:
            client = backends.client("target", MemoryCalls())
            await client.complete(CHAT, SITE)
            return client.capabilities

    assert "max_tokens" not in asyncio.run(main()).reasons


def test_a_refused_request_takes_nothing_of_the_tokens_of_a_minute(model: LoopbackModel) -> None:
    model.before = habits("seed", "top_p", "temperature")
    role = {"tokens_per_minute": 2000, "max_tokens": 900, "temperature": 0.5}

    async def main() -> None:
        async with Backends(parse_recipe(recipe_data(model.url, target=role))) as backends:
            await asyncio.wait_for(backends.client("target", MemoryCalls()).complete(CHAT, SITE), 20)

    asyncio.run(main())
    assert len(model.requests) == 4


def test_a_folder_that_is_not_there_is_not_missed(model: LoopbackModel, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(model.url, start=True, path=tmp_path / "out" / "capabilities.json")
    assert not caplog.records
    assert not list(tmp_path.iterdir())


NO_DISTRIBUTIONS: list[Any] = [
    ["7"], "none", {"content": "none"}, {"content": [{"token": "7"}]}, {"content": [{"logprob": -0.1, "bytes": [700]}]},
    {"content": [{"token": '{"score":'}, {"token": " 7", "logprob": -0.1, "top_logprobs": None}, {"token": "}"}]},
]  # fmt: skip


@pytest.mark.parametrize("found", NO_DISTRIBUTIONS, ids=str)
def test_log_probabilities_that_cannot_be_read_are_none(model: LoopbackModel, found: Any) -> None:
    model.distribution = lambda text: found
    assert run(model.url, 0) == [(5, 7)]


def test_an_unknown_finish_reason_is_told_once() -> None:
    news: list[str] = []
    dialect = Dialect(on_news=news.append)
    for reason in ("stop", None, "length", "my_stop", "my_stop", *map(str, range(9))):
        dialect.heed_ending(reason)
    assert "'my_stop'" in news[0]
    assert len(news) == MOST_ENDINGS


def test_what_was_learned_is_kept_and_not_tried_again(model: LoopbackModel, tmp_path: Path) -> None:
    path = tmp_path / "capabilities.json"
    model.before = habits("any format", "n")
    run(model.url, 0, start=True, path=path)
    kept = json.loads(path.read_text())
    [known] = [Capabilities.model_validate(one["known"]) for one in kept.values()]
    assert (known.reply_format, known.max_n) == ("text", 1)
    model.requests.clear()
    run(model.url, 0, start=True, path=path)
    assert [title_of(body) for body in model.requests] == [None] * 5 + ["Grade"]
    assert not any(map(model.before, model.requests))


@pytest.mark.parametrize("text", ["", "[]", '{"openai:m": {"known": {"max_n": "x"}}}', "\x00"])
def test_a_damaged_file_is_as_good_as_none(model: LoopbackModel, tmp_path: Path, text: str) -> None:
    path = tmp_path / "capabilities.json"
    path.write_text(text)
    assert run(model.url, 0, start=True, path=path) == [(5, 7)]


def test_a_context_that_a_recipe_sets_is_the_one_that_it_sets_now(tmp_path: Path) -> None:
    path = tmp_path / "capabilities.json"
    for tokens in (2048, 8192):
        role = {"model": "llamacpp:smollm2-135m"}
        backends = Backends(parse_recipe({"name": "x", "target": role, "judge": role, "embedded": {"context_tokens": tokens}}))
        backends.known.remember(path)
        dialect = backends.client("judge", MemoryCalls()).caller.dialect
        assert dialect.known.context_tokens == tokens
        dialect.prove(frozenset({"seed"}))
    assert json.loads(path.read_text())["llamacpp:smollm2-135m"]["answered"] == [["seed"]]


def test_calls_of_a_split_request_are_paid_once(model: LoopbackModel) -> None:
    model.before = habits("n")
    calls = MemoryCalls()
    first = run(model.url, 0, calls=calls)
    asked = len(model.requests)
    assert run(model.url, 0, calls=calls, omit=["n"]) == first
    assert len(model.requests) == asked


def test_fewer_choices_than_asked_for_are_made_up(model: LoopbackModel) -> None:
    model.choices = 2
    assert run(model.url, 0, 1) == [(5, 7), (5, 7)]


def test_choices_beyond_those_asked_for_are_dropped(model: LoopbackModel) -> None:
    model.choices = 9
    assert run(model.url, 0) == [(5, 7)]


def test_a_schema_that_is_ignored_is_put_into_the_prompt(model: LoopbackModel) -> None:
    model.ignores_schemas = True
    assert run(model.url, 0, 1, 2) == [(5, 7)] * 3
    repairs = [body for body in model.requests if "does not fit" in str(body["messages"][-1]["content"])]
    assert len(repairs) == 2


@pytest.mark.parametrize(
    "reply", ['<think>hm, {"score": 1}</think>{"score": 7}', '```json\n{"score": 7}\n```', 'Here: {"score": 7}']
)
def test_thoughts_fences_and_prose_are_read_away(model: LoopbackModel, reply: str) -> None:
    model.replies["Grade"] = lambda body, choice: reply
    assert run(model.url, 0) == [(5, 7)]
    assert len(model.requests) == 2


@pytest.mark.parametrize(
    ("name", "role", "key"),
    [
        ("any format", {"reply_format": "json_schema"}, r"judge\.reply_format"),
        ("system", {"system_role": "system"}, r"target\.system_role"),
        ("length", {"length_field": "max_completion_tokens"}, r"target\.max_tokens"),
    ],
)
def test_what_a_recipe_forces_is_an_error_that_names_the_key(model: LoopbackModel, name: str, role: Body, key: str) -> None:
    model.before = habits(name)
    with pytest.raises(ModelRefusedError, match=key):
        run(model.url, 0, **role)


@pytest.mark.parametrize("field", ["temperature", "top_p", "seed", "max_tokens"])
def test_what_a_recipe_omits_is_never_sent(model: LoopbackModel, field: str) -> None:
    run(model.url, 0, omit=[field])
    assert not any(field in body or (field == "max_tokens" and "max_completion_tokens" in body) for body in model.requests)


def test_a_request_that_is_too_long_teaches_nothing(model: LoopbackModel) -> None:
    long = refuse("This model's maximum context length is 2048 tokens, however your messages and response_format took 3000")
    model.before = lambda body: long
    with pytest.raises(ModelRefusedError, match="context_tokens"):
        run(model.url, 0)
    assert len(model.requests) == 1


def test_a_wrong_model_stops_before_the_first_task(model: LoopbackModel) -> None:
    model.before = lambda body: (404, {"error": {"message": "The model `m` does not exist"}})
    with pytest.raises(EndpointDownError, match=r"does not exist; correct target\.model"):
        run(model.url, 0, start=True)
    assert len(model.requests) <= 2


def test_what_the_list_of_models_says_is_known() -> None:
    with LoopbackModel() as model:
        model.listed = [{"id": "m", "max_model_len": 3000, "owned_by": "vllm"}, {"id": "other", "max_model_len": 9}]

        async def main() -> Capabilities:
            async with Backends(parse_recipe(recipe_data(model.url))) as backends:
                await backends.start()
                return backends.capabilities()["target"]

        known = asyncio.run(main())
    assert (known.context_tokens, known.full_schemas) == (3000, True)
