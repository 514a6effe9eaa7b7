"""No minute has more requests or tokens than the limits say, and nobody waits longer than that takes."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import LoopbackModel, recipe_data
from virtual_time import run_virtually

from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.backends.rates import RateLimiter
from anyprefer.config import RoleConfig
from anyprefer.recipes import parse_recipe
from anyprefer.types import Message


def now() -> float:
    return asyncio.get_running_loop().time()


def limiter(requests: int | None = None, tokens: int | None = None) -> RateLimiter:
    return RateLimiter(requests, tokens, clock=now)


def times(main: Coroutine[Any, Any, list[float]]) -> list[float]:
    return [round(at, 3) for at in run_virtually(main)[0]]


async def all_at_once(rates: RateLimiter, sizes: list[int]) -> list[float]:
    async def one(size: int) -> float:
        return (await rates.admit(size)).at

    return await asyncio.gather(*map(one, sizes))


@given(st.lists(st.tuples(st.integers(1, 90), st.floats(0, 40)), min_size=1, max_size=40), st.integers(1, 6))
def test_no_minute_has_more_than_the_limits(arrivals: list[tuple[int, float]], requests: int) -> None:
    async def main() -> list[tuple[float, int]]:
        rates, sent = limiter(requests, 100), []
        for size, pause in arrivals:
            await asyncio.sleep(pause)
            sent.append(((await rates.admit(size)).at, size))
        return sent

    sent, _ = run_virtually(main())
    for start, _ in sent:
        within = [size for at, size in sent if start <= at < start + 60.999]
        assert len(within) <= requests
        assert sum(within) <= 100


def test_requests_go_at_once_while_there_is_room_and_in_their_order() -> None:
    assert times(all_at_once(limiter(requests=2), [1] * 5)) == [0, 0, 61, 61, 122]
    assert times(all_at_once(limiter(tokens=100), [60, 60, 30, 10])) == [0, 61, 61, 61]
    assert times(all_at_once(limiter(), [10**9] * 3)) == [0, 0, 0]


def test_a_small_request_does_not_overtake_a_large_one() -> None:
    assert times(all_at_once(limiter(tokens=100), [50, 90, 10])) == [0, 61, 61]


def test_a_request_over_the_limit_goes_alone() -> None:
    assert times(all_at_once(limiter(tokens=100), [10, 500, 10])) == [0, 61, 122]


def test_a_reply_that_was_cheaper_makes_room_at_once() -> None:
    async def main() -> list[float]:
        rates = limiter(tokens=100)
        first = await rates.admit(90)
        second = asyncio.create_task(rates.admit(50))
        await asyncio.sleep(2)
        rates.correct(first, 30)
        return [first.at, (await second).at]

    assert times(main()) == [0, 2]


def test_a_reply_that_was_dearer_counts_in_full() -> None:
    async def main() -> list[float]:
        rates = limiter(tokens=100)
        rates.correct(await rates.admit(10), 95)
        return [(await rates.admit(10)).at]

    assert times(main()) == [61]


def test_a_reply_that_comes_after_its_minute_changes_nothing() -> None:
    async def main() -> list[float]:
        rates = limiter(tokens=100)
        late = await rates.admit(100)
        await asyncio.sleep(61)
        at = [(await rates.admit(60)).at]
        rates.correct(late, 5)
        return [*at, (await rates.admit(60)).at]

    assert times(main()) == [61, 122]


def test_a_caller_that_gives_up_leaves_no_trace() -> None:
    async def main() -> list[float]:
        rates = limiter(requests=1)
        await rates.admit(1)
        impatient = asyncio.create_task(rates.admit(1))
        await asyncio.sleep(1)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        return [(await rates.admit(1)).at]

    assert times(main()) == [61]


def test_the_strictest_limits_of_all_roles_count() -> None:
    roles = [
        RoleConfig(model="openai:m", requests_per_minute=60),
        RoleConfig(model="openai:m", requests_per_minute=20, tokens_per_minute=900),
        RoleConfig(model="openai:m"),
    ]
    rates = RateLimiter.of(roles)
    assert (rates.requests_per_minute, rates.tokens_per_minute) == (20, 900)
    assert RateLimiter.of(roles[2:]) == RateLimiter()


def test_all_roles_of_a_model_share_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anyprefer.backends.rates.WINDOW_SECONDS", 0.8)
    sent: list[float] = []
    with LoopbackModel() as server:
        server.before = lambda body: sent.append(time.monotonic())
        recipe = parse_recipe(recipe_data(server.url, judge={"requests_per_minute": 3, "tokens_per_minute": 10**6}))

        async def main() -> None:
            async with Backends(recipe) as backends:
                clients = [backends.client(role, MemoryCalls()) for role in ("target", "judge", "critic")]
                ask = (Message(role="user", content="Hello"),)
                sites = [CallSite("task", "target", 0, f"sample/{number}") for number in range(3)]
                await asyncio.gather(*(client.complete(ask, site) for client in clients for site in sites))

        asyncio.run(main())
    assert len(sent) == 9
    assert all(later - earlier > 0.7 for earlier, later in zip(sent, sent[3:], strict=False))
    assert sent[-1] - sent[0] < 4


def test_a_reply_corrects_what_its_request_was_taken_for() -> None:
    with LoopbackModel() as server:
        recipe = parse_recipe(recipe_data(server.url, target={"tokens_per_minute": 10**6, "max_tokens": 50_000}))

        async def main() -> RateLimiter:
            async with Backends(recipe) as backends:
                client = backends.client("target", MemoryCalls())
                await client.complete((Message(role="user", content="Hello"),), CallSite("task", "target", 0, "sample/0"))
                return client.caller.rates

        rates = asyncio.run(main())
    (used,) = {admission.tokens for admission in rates._sent}
    assert 7 < used < 500
