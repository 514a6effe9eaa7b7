"""What a request took: read from any shape of usage, estimated where none can be believed."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from loopback import LoopbackModel, recipe_data

from anyprefer.backends.asking import Ask
from anyprefer.backends.budget import Budget
from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.backends.replies import estimate_usage, usage_of
from anyprefer.errors import BudgetSpentError, ModelUnavailableError
from anyprefer.recipes import parse_recipe
from anyprefer.types import Message, Reply

HELLO = (Message(role="user", content="Hello there, what is two and two?"),)
SITE = CallSite("task", "target", 0, "sample/0")


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def result(usage: Any, message: AIMessage | None = None) -> LLMResult:
    generation = ChatGeneration(message=message or AIMessage("four"))
    return LLMResult(generations=[[generation]], llm_output={"token_usage": usage} if usage is not None else None)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}, (10, 3)),
        ({"prompt_tokens": 10, "completion_tokens": 0}, (10, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 2}}, (10, 3)),
        ({}, None),
        ({"prompt_tokens": 10}, None),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": -5, "completion_tokens": 3}, None),
        ({"prompt_tokens": "10", "completion_tokens": 3}, None),
        ({"prompt_tokens": 1.5, "completion_tokens": 3}, None),
        ({"prompt_tokens": True, "completion_tokens": 3}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"prompt_tokens": 10**9, "completion_tokens": 3}, None),
        ({"prompt_tokens": 10, "completion_tokens": 10**9}, None),
    ],
)
def test_usage_is_believed_only_where_it_can_be(usage: Any, counts: tuple[int, int] | None) -> None:
    assert usage_of(result(usage), Ask(HELLO)) == counts


def test_usage_of_a_reply_that_is_as_long_as_that_is_believed() -> None:
    many = {"prompt_tokens": 10, "completion_tokens": 50_000}
    assert usage_of(result(many), Ask(HELLO, max_tokens=100)) is None
    assert usage_of(result(many), Ask(HELLO, max_tokens=100), num_bytes=200_000) == (10, 50_000)


def test_usage_of_a_message_counts_where_the_request_has_none() -> None:
    message = AIMessage("four", usage_metadata={"input_tokens": 8, "output_tokens": 2, "total_tokens": 10})
    assert usage_of(result(None, message), Ask(HELLO)) == (8, 2)


def test_an_estimate_counts_answers_and_thoughts() -> None:
    short = estimate_usage(Ask(HELLO), [Reply.of("four")])
    long = estimate_usage(Ask(HELLO, n=2), [Reply.of("four", 300 * "so "), Reply.of("four")])
    assert short[0] == long[0] > 0
    assert long[1] > short[1] + 250


def complete(url: str, budget: Budget | None, calls: MemoryCalls, *, n: int = 1, **target: Any) -> None:
    async def main() -> None:
        async with Backends(parse_recipe(recipe_data(url, target=target)), budget=budget) as backends:
            await backends.client("target", calls).complete(HELLO, SITE, n=n)

    asyncio.run(main())


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": -1}, {"prompt_tokens": 10**12}])
def test_a_call_without_usage_costs_an_estimate(model: LoopbackModel, usage: Any) -> None:
    model.usage = lambda body: usage
    calls, budget = MemoryCalls(), Budget(max_tokens=10_000)
    complete(model.url, budget, calls, n=5)
    [call] = calls.calls.values()
    assert call.estimated
    assert 15 <= budget.spent.tokens == call.prompt_tokens + call.completion_tokens <= 100


def test_usage_of_the_first_choice_alone_is_not_believed(model: LoopbackModel) -> None:
    model.replies[None] = lambda body, choice: f"Answer {choice}: " + 50 * "so it goes, "
    model.usage = lambda body: {"prompt_tokens": 30, "completion_tokens": 150, "total_tokens": 180}
    calls = MemoryCalls()
    complete(model.url, None, calls, n=5)
    [call] = calls.calls.values()
    assert call.estimated
    assert call.completion_tokens > 600


def test_a_call_with_usage_is_no_estimate(model: LoopbackModel) -> None:
    calls = MemoryCalls()
    complete(model.url, None, calls)
    assert not any(call.estimated for call in calls.calls.values())


def test_a_request_whose_end_is_unknown_counts_as_spent(model: LoopbackModel) -> None:
    model.delay_seconds = 30
    budget = Budget(max_tokens=100_000)
    with pytest.raises(ModelUnavailableError):
        complete(model.url, budget, MemoryCalls(), max_tokens=1000, max_retries=0, timeout_seconds=0.3)
    assert 1000 < budget.spent.tokens < 1300


def test_retries_of_such_requests_stay_within_the_budget(model: LoopbackModel) -> None:
    model.delay_seconds = 30
    budget = Budget(max_tokens=2500)
    with pytest.raises(BudgetSpentError):
        complete(model.url, budget, MemoryCalls(), max_tokens=1000, max_retries=5, timeout_seconds=0.3)
    assert budget.spent.tokens <= 2500
    assert len(model.requests) == 2


def test_a_refused_request_costs_nothing(model: LoopbackModel) -> None:
    model.before = lambda body: 503 if len(model.requests) < 3 else None
    budget = Budget(max_tokens=5000)
    complete(model.url, budget, MemoryCalls(), max_tokens=1000)
    assert budget.spent.tokens < 200
