"""The gate of an endpoint against simulated servers, in virtual time."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable

import pytest
from virtual_time import run_virtually

from anyprefer.backends.endpoint import BREAK_AFTER, GIVEN_UP_SECONDS, Endpoint
from anyprefer.backends.retry import Persistence
from anyprefer.backends.troubles import FIRST_REFUSALS, LATER_REFUSALS
from anyprefer.errors import EndpointDownError, ModelRefusedError, ModelUnavailableError, TroubleKind

LATENCY = 0.2
Server = Callable[[], Awaitable[str]]


def make_endpoint(ceiling: int = 100, patience: float = 120.0) -> Endpoint:
    return Endpoint("m", ceiling, patience, clock=lambda: asyncio.get_running_loop().time())


def trouble(kind: TroubleKind, retry_after: float | None = None) -> ModelUnavailableError:
    return ModelUnavailableError(kind, kind, retry_after)


async def load(endpoint: Endpoint, server: Server, calls: int, workers: int = 200, max_retries: int = 50) -> int:
    """Make so many calls with so many at once, as a run would; gives how many were answered."""
    left, done = iter(range(calls)), 0

    async def work() -> None:
        nonlocal done
        for _ in left:
            await Persistence(max_retries, 10.0).ask(server, endpoint, "target", "m", 0)
            done += 1

    await asyncio.gather(*(work() for _ in range(workers)))
    return done


async def load_one(server: Server) -> int:
    return await load(make_endpoint(), server, 1, workers=1)


class Capacity:
    """Serves so many calls at once and turns away the others."""

    def __init__(self, size: int) -> None:
        self.size, self.busy, self.rejected = size, 0, 0

    async def __call__(self) -> str:
        if self.busy >= self.size:
            self.rejected += 1
            await asyncio.sleep(0.01)
            raise trouble("throttled")
        self.busy += 1
        try:
            await asyncio.sleep(LATENCY)
        finally:
            self.busy -= 1
        return "ok"


def test_limit_settles_near_the_capacity_of_the_server() -> None:
    async def main() -> tuple[Endpoint, Capacity]:
        endpoint, server = make_endpoint(), Capacity(20)
        await load(endpoint, server, 4000)
        return endpoint, server

    (endpoint, server), seconds = run_virtually(main())
    assert 15 <= endpoint.limit <= 30
    assert server.rejected < 0.25 * 4000
    assert seconds < 1.4 * 4000 / 20 * LATENCY


def test_a_rate_limit_is_used_to_the_full() -> None:
    class Rate:
        """So many calls a second, counted in a bucket of one second."""

        def __init__(self, rate: float) -> None:
            self.rate, self.tokens, self.last = rate, rate, 0.0

        async def __call__(self) -> str:
            now = asyncio.get_running_loop().time()
            self.tokens = min(self.rate, self.tokens + (now - self.last) * self.rate)
            self.last = now
            if self.tokens < 1:
                await asyncio.sleep(0.01)
                raise trouble("throttled")
            self.tokens -= 1
            await asyncio.sleep(LATENCY)
            return "ok"

    async def main() -> Endpoint:
        endpoint = make_endpoint()
        await load(endpoint, Rate(50.0), 3000)
        return endpoint

    endpoint, seconds = run_virtually(main())
    assert endpoint.limit < 40, "ten in flight are enough for 50 calls a second"
    assert seconds < 1.3 * 3000 / 50


def test_random_rejections_do_not_starve_the_run() -> None:
    generator = random.Random(0)

    async def server() -> str:
        share = generator.random()
        if share < 0.3:
            await asyncio.sleep(LATENCY / 10)
            raise trouble("throttled", retry_after=1.0)
        if share < 0.35:
            raise trouble("error")
        await asyncio.sleep(LATENCY)
        return "ok"

    async def main() -> Endpoint:
        endpoint = make_endpoint()
        await load(endpoint, server, 5000, workers=800)
        return endpoint

    endpoint, seconds = run_virtually(main())
    assert endpoint.limit > 60
    assert seconds < 2 * 5000 / 100 * LATENCY


def test_ramp_reaches_the_ceiling_within_a_few_round_trips() -> None:
    async def server() -> str:
        await asyncio.sleep(LATENCY)
        return "ok"

    async def main() -> Endpoint:
        endpoint = make_endpoint(ceiling=200)
        await load(endpoint, server, 1000)
        return endpoint

    endpoint, seconds = run_virtually(main())
    assert endpoint.limit == 200
    assert seconds <= 9 * LATENCY + 1e-6


def test_breaker_spares_a_dead_endpoint_and_goes_on_when_it_is_back() -> None:
    sent = 0

    async def server() -> str:
        nonlocal sent
        now = asyncio.get_running_loop().time()
        if 1.0 < now < 61.0:
            sent += 1
            raise trouble("unreachable")
        await asyncio.sleep(LATENCY)
        return "ok"

    async def main() -> int:
        return await load(make_endpoint(), server, 2000)

    done, seconds = run_virtually(main())
    assert done == 2000
    assert sent < 100 + BREAK_AFTER + 10, "beside what was in flight, only probes"
    assert seconds < 61 + 31 + 2000 / 100 * LATENCY


def test_an_outage_beyond_the_patience_stops_everyone() -> None:
    async def server() -> str:
        raise trouble("timeout")

    async def main() -> list[BaseException | int]:
        endpoint = make_endpoint(patience=120.0)
        return await asyncio.gather(
            *(load(endpoint, server, 5, workers=5, max_retries=1000) for _ in range(4)), return_exceptions=True
        )

    results, seconds = run_virtually(main())
    assert all(isinstance(result, EndpointDownError) for result in results)
    assert "120" in str(results[0]) or "check the server" in str(results[0])
    assert 120 < seconds < 200


def test_late_rounds_go_first() -> None:
    async def main() -> list[int]:
        endpoint, order = make_endpoint(ceiling=1), []

        async def call(priority: int) -> None:
            async with endpoint.slot(priority):
                order.append(priority)
                await asyncio.sleep(LATENCY)

        async with endpoint.slot():
            waiting = [asyncio.create_task(call(priority)) for priority in (0, 2, 0, 1)]
            await asyncio.sleep(0.01)
        await asyncio.gather(*waiting)
        return order

    assert run_virtually(main())[0] == [2, 1, 0, 0]


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.25])
def test_cancelled_calls_give_their_place_back(moment: float) -> None:
    async def main() -> int:
        endpoint = make_endpoint(ceiling=2)

        async def call() -> None:
            async with endpoint.slot():
                await asyncio.sleep(LATENCY)

        calls = [asyncio.create_task(call()) for _ in range(6)]
        await asyncio.sleep(moment)
        for task in calls[1:5]:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.gather(call(), call(), call())
        return endpoint.in_flight

    assert run_virtually(main())[0] == 0


def test_retry_waits_as_long_as_the_endpoint_asks() -> None:
    times: list[float] = []

    async def server() -> str:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 3:
            raise trouble("throttled", retry_after=7.0)
        return "ok"

    run_virtually(load_one(server))
    assert all(7.0 <= later - earlier <= 7.8 for earlier, later in itertools.pairwise(times))


def test_troubles_are_kept_by_cause_and_told_once() -> None:
    told: list[str] = []
    numbers = itertools.count(1)

    async def server() -> str:
        if (number := next(numbers)) % 3:
            kind: TroubleKind = "throttled" if number % 3 == 1 else "error"
            raise ModelUnavailableError(f"{kind} in request {number}", kind)
        return "ok"

    async def main() -> Endpoint:
        endpoint = make_endpoint()
        endpoint.on_trouble = lambda endpoint, trouble: told.append(f"{endpoint.name}: {trouble.message}")
        await load(endpoint, server, 10, workers=1)
        return endpoint

    endpoint, _ = run_virtually(main())
    assert told == ["m: throttled in request 1", "m: error in request 2"]
    assert [(one.message, one.kind, one.count, one.effect) for one in endpoint.troubles.values()] == [
        ("throttled in request 1", "throttled", 10, "passing"), ("error in request 2", "error", 10, "passing")
    ]  # fmt: skip


def refusal(*, of_request: bool = False) -> ModelRefusedError:
    return ModelRefusedError("no such model", of_request=of_request)


def test_an_endpoint_that_refuses_every_call_of_a_kind_counts_as_down() -> None:
    async def main() -> None:
        endpoint = make_endpoint()
        for number in range(FIRST_REFUSALS - 1):
            endpoint.note_success(f"target/sample/{number}")
            endpoint.note_refusal(refusal(), f"judge/score/{number}")
        with pytest.raises(EndpointDownError, match=rf"{FIRST_REFUSALS} calls in a row were refused: no such model") as raised:
            endpoint.note_refusal(refusal(), "judge/score/9")
        assert raised.value.cause == "no such model"
        assert endpoint.refused == FIRST_REFUSALS
        with pytest.raises(EndpointDownError, match="no such model"):
            async with endpoint.slot():
                pytest.fail("a call was sent to an endpoint that is down")

    run_virtually(main())


def test_refusals_of_single_requests_do_not_count_against_the_endpoint() -> None:
    async def main() -> Endpoint:
        endpoint = make_endpoint()
        for _ in range(3 * LATER_REFUSALS):
            endpoint.note_refusal(refusal(of_request=True), "target/sample")
        for number in range(3 * LATER_REFUSALS):
            endpoint.note_refusal(refusal(), "target/sample")
            if number % FIRST_REFUSALS == FIRST_REFUSALS - 2:
                endpoint.note_success("target/sample")
        return endpoint

    endpoint, _ = run_virtually(main())
    assert [trouble.count for trouble in endpoint.troubles.values()] == [6 * LATER_REFUSALS]


def test_what_stops_the_run_fails_waiting_calls_unsent_and_is_tried_again_later() -> None:
    async def main() -> tuple[int, list[str | BaseException]]:
        endpoint, sent = make_endpoint(ceiling=2), 0

        async def call() -> str:
            nonlocal sent
            async with endpoint.slot():
                sent += 1
                await asyncio.sleep(LATENCY)
                if asyncio.get_running_loop().time() < 1:
                    error = EndpointDownError("answered 402: no money; pay")
                    error.cause = "answered 402: no money"
                    raise error
                return "ok"

        results = await asyncio.gather(*(call() for _ in range(10)), return_exceptions=True)
        assert [trouble.effect for trouble in endpoint.troubles.values()] == ["run"]
        await asyncio.sleep(GIVEN_UP_SECONDS)
        results.append(await call())
        return sent, results

    (sent, results), _ = run_virtually(main())
    assert sent == 3
    assert results[-1] == "ok"
    assert {getattr(result, "cause", None) for result in results[:-1]} == {"answered 402: no money"}


def test_an_outage_names_its_last_cause() -> None:
    async def server() -> str:
        raise ModelUnavailableError("nobody answers", "unreachable")

    with pytest.raises(EndpointDownError, match="the last: nobody answers") as raised:
        run_virtually(load(make_endpoint(), server, 5, workers=5, max_retries=1000))
    assert raised.value.cause == "nobody answers"
