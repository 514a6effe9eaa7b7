"""The budget is never exceeded, and nearly all of it is used."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import run_virtually

from anyprefer.backends.budget import Budget, Cost, PromptGauge, price_of
from anyprefer.config import Price
from anyprefer.errors import BudgetSpentError


async def spend(budget: Budget, calls: list[tuple[int, float]], workers: int) -> int:
    """Make calls of (tokens, share of the estimate that they really cost); gives how many were made."""
    left, made = iter(calls), 0

    async def work() -> None:
        nonlocal made
        for tokens, share in left:
            try:
                async with budget.reserve(Cost(tokens)) as settle:
                    await asyncio.sleep(0.1)
                    settle(Cost(int(tokens * share)))
                    made += 1
            except BudgetSpentError:
                return

    await asyncio.gather(*(work() for _ in range(workers)))
    return made


@given(
    limit=st.integers(0, 5000),
    calls=st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 1)), max_size=30),
    workers=st.integers(1, 8),
)
def test_spent_never_exceeds_the_limit(limit: int, calls: list[tuple[int, float]], workers: int) -> None:
    budget = Budget(max_tokens=limit)
    run_virtually(spend(budget, calls, workers))
    assert budget.spent.tokens <= limit
    assert budget.reserved == Cost(0, 0.0)


def test_a_call_that_might_not_fit_waits_for_cheaper_ones() -> None:
    budget = Budget(max_tokens=1000)
    made, _ = run_virtually(spend(budget, [(600, 0.1)] * 7, workers=3))
    assert made == 7, "at 60 of 600 tokens each, all seven fit"
    made, _ = run_virtually(spend(budget, [(600, 0.1)], workers=1))
    assert made == 0
    assert budget.spent.tokens == 420


def test_dollars_count_with_prices() -> None:
    price = Price(prompt_usd=2.0, completion_usd=10.0)
    assert price_of(1_000_000, 100_000, price) == pytest.approx(3.0)
    assert price_of(1, 1, None) is None
    budget = Budget(max_usd=1.0)

    async def main() -> None:
        async with budget.reserve(Cost(10, 0.9)) as settle:
            settle(Cost(10, 0.8))
        async with budget.reserve(Cost(10, 0.3)):
            pass

    with pytest.raises(BudgetSpentError, match=r"1\.00 USD is spent.*0\.8000 USD"):
        run_virtually(main())


def test_gauge_stays_above_what_it_has_seen() -> None:
    gauge = PromptGauge()
    gauge.learn(1000, 300)
    assert 300 < gauge.estimate(1000) < 600
    gauge.learn(1000, 900)
    assert gauge.estimate(1000) > 900


def test_a_reply_over_its_limit_counts_for_the_next_ones() -> None:
    gauge = PromptGauge()
    gauge.learn_reply(1000, 900)
    assert gauge.most_of_reply(100) == 100
    gauge.learn_reply(100, 5000)
    assert gauge.most_of_reply(100) == 5000
    assert gauge.most_of_reply(9000) == 9000
