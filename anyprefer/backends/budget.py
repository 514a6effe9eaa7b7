"""The budget of a run: a call starts only where even its dearest outcome fits.

Before a call its cost is reserved: the tokens of the prompt as an upper estimate, and every reply at its full `max_tokens`.
Afterwards the reservation is replaced by the true cost. A call that does not fit waits while others hold reservations, since
they nearly always turn out cheaper; when nothing is in flight and it still does not fit, the budget is spent.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from anyprefer.config import Price
from anyprefer.errors import BudgetSpentError


@dataclass(frozen=True)
class Cost:
    """Tokens and, where the price is known, dollars."""

    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.tokens - other.tokens, self.usd - other.usd)


class Settle(Protocol):
    """Takes the true cost of a request that was made, or of one whose end is unknown."""

    def __call__(self, cost: Cost) -> None:
        """Take it."""


@dataclass
class Budget:
    """What may still be spent; shared by all models of a run.

    Args:
        max_tokens: Prompt and completion tokens together; None is no limit.
        max_usd: US dollars; None is no limit.
        spent: What earlier sessions of the run have cost.
    """

    max_tokens: int | None = None
    max_usd: float | None = None
    spent: Cost = field(default_factory=Cost)
    reserved: Cost = field(default_factory=Cost)
    calls_open: int = 0

    def __post_init__(self) -> None:
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def reserve(self, estimate: Cost) -> AsyncIterator[Settle]:
        """Hold an upper bound of a call's cost; the caller settles it once the reply is there.

        A refused request costs nothing. One that was sent and whose end is unknown is settled as well, at its bound, and the next
        try of the same call needs room of its own.

        Raises:
            BudgetSpentError: The call does not fit although no other is in flight.
        """
        async with self._changed:
            while not self._fits(estimate):
                if not self.calls_open:
                    raise BudgetSpentError(self._message())
                await self._changed.wait()
            self.reserved += estimate
            self.calls_open += 1
        try:
            yield self.spend
        finally:
            async with self._changed:
                self.reserved -= estimate
                self.calls_open -= 1
                self._changed.notify_all()

    def spend(self, cost: Cost) -> None:
        """Count the cost of a request, reserved or not."""
        self.spent += cost

    def check(self) -> None:
        """See that what is reserved still fits.

        Raises:
            BudgetSpentError: It does not.
        """
        if not self._fits(Cost()):
            raise BudgetSpentError(self._message())

    def _fits(self, estimate: Cost) -> bool:
        total = self.spent + self.reserved + estimate
        return (self.max_tokens is None or total.tokens <= self.max_tokens) and (
            self.max_usd is None or total.usd <= self.max_usd
        )

    def _message(self) -> str:
        limits = [f"{self.max_tokens:,} tokens"] if self.max_tokens is not None else []
        limits += [f"{self.max_usd:.2f} USD"] if self.max_usd is not None else []
        spent = [f"{self.spent.tokens:,} tokens"] + ([f"{self.spent.usd:.4f} USD"] if self.max_usd is not None else [])
        return (
            f"the budget of {' and '.join(limits)} is spent ({', '.join(spent)}; the next call might not fit): run the same "
            "command with a larger budget to go on"
        )


@asynccontextmanager
async def reserved(budget: Budget | None, bound: Cost) -> AsyncIterator[Settle]:
    """`Budget.reserve` of a budget that there may not be."""
    if budget is None:
        yield lambda cost: None
        return
    async with budget.reserve(bound) as settle:
        yield settle


def price_of(prompt_tokens: int, completion_tokens: int, price: Price | None) -> float | None:
    """US dollars of a call, None where the price is unknown."""
    if price is None:
        return None
    return (prompt_tokens * price.prompt_usd + completion_tokens * price.completion_usd) / 1e6


@dataclass
class PromptGauge:
    """An upper estimate of a prompt's tokens from its bytes, and of a reply's, learned from the calls of one model."""

    tokens_per_byte: float = 0.5
    """To begin with: most tokenizers need 0.2 to 0.35 tokens per byte of UTF-8."""

    MARGIN = 1.5
    """Over the densest prompt seen."""
    OVERHEAD = 64
    """Tokens of the chat template and of short prompts, whose ratio says little."""

    def __post_init__(self) -> None:
        self._densest = 0.0
        self._longest_over = 0

    def most_of_reply(self, max_tokens: int) -> int:
        """Tokens that a reply of at most so many will hardly exceed: an endpoint may ignore the limit."""
        return max(max_tokens, self._longest_over)

    def learn_reply(self, max_tokens: int, tokens: int) -> None:
        """Take in how long a reply really was."""
        if tokens > max_tokens:
            self._longest_over = max(self._longest_over, tokens)

    def estimate(self, num_bytes: int) -> int:
        """Tokens that a prompt of so many bytes will hardly exceed."""
        return int(num_bytes * self.tokens_per_byte) + self.OVERHEAD

    def learn(self, num_bytes: int, prompt_tokens: int) -> None:
        """Take in what a call really used."""
        self._densest = max(self._densest, max(0, prompt_tokens - self.OVERHEAD) / max(num_bytes, 1))
        self.tokens_per_byte = max(0.05, self._densest * self.MARGIN)
