"""How many requests and tokens a model may be sent in a minute.

The window slides: what was sent within the last 61 seconds counts, so that no minute, wherever a provider lets it begin, has more
than the limit. No library in reach has a reservation that is corrected once the true cost is known.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from anyprefer.config import RoleConfig

WINDOW_SECONDS = 61.0
"""A minute, and what a request may take to arrive: the provider counts by its own clock."""

_INSTANT = 1e-6
"""Seconds that no clock is asked to wait for."""


@dataclass
class Admission:
    """A request that may be sent, and what it counts as."""

    at: float
    tokens: int
    counts: bool = True
    """Whether it is still within the window."""


@dataclass
class RateLimiter:
    """The limits of one model, shared by all roles that use it. First come, first served: nobody overtakes a large request.

    Args:
        requests_per_minute: None is no limit.
        tokens_per_minute: Prompt and reply; likewise.
        clock: Seconds; tests give their own.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    clock: Callable[[], float] = time.monotonic
    _sent: deque[Admission] = field(default_factory=deque)
    _tokens: int = 0
    """Sum over what was sent within the window."""

    def __post_init__(self) -> None:
        self._line = asyncio.Lock()
        self._corrected = asyncio.Event()

    @classmethod
    def of(cls, configs: Iterable[RoleConfig]) -> "RateLimiter":
        """The strictest limits of the roles that use one model."""
        roles = list(configs)
        requests = [config.requests_per_minute for config in roles if config.requests_per_minute is not None]
        tokens = [config.tokens_per_minute for config in roles if config.tokens_per_minute is not None]
        return cls(min(requests, default=None), min(tokens, default=None))

    async def admit(self, tokens: int) -> Admission:
        """Wait until one more request fits.

        Args:
            tokens: An estimate of what it will cost. One that is over the limit by itself goes once the window is empty.
        """
        if self.requests_per_minute is None and self.tokens_per_minute is None:
            return Admission(self.clock(), tokens, counts=False)
        async with self._line:
            while (wait := self._seconds_until_room(tokens)) > 0:
                self._corrected.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._corrected.wait(), wait)
            admission = Admission(self.clock(), tokens)
            self._sent.append(admission)
            self._tokens += tokens
            return admission

    def correct(self, admission: Admission, tokens: int) -> None:
        """Put the true cost in place of the estimate; a request whose end is unknown keeps it."""
        if admission.counts:
            self._tokens += tokens - admission.tokens
            self._corrected.set()
        admission.tokens = tokens

    def _seconds_until_room(self, tokens: int) -> float:
        while self._sent and self._seconds_left(self._sent[0]) < _INSTANT:
            gone = self._sent.popleft()
            gone.counts = False
            self._tokens -= gone.tokens
        return max(self._until_request_fits(), self._until_tokens_fit(tokens))

    def _until_request_fits(self) -> float:
        if self.requests_per_minute is None or len(self._sent) < self.requests_per_minute:
            return 0.0
        return self._seconds_left(self._sent[len(self._sent) - self.requests_per_minute])

    def _until_tokens_fit(self, tokens: int) -> float:
        if self.tokens_per_minute is None:
            return 0.0
        wait, left = 0.0, self._tokens
        for admission in self._sent:
            if left + tokens <= self.tokens_per_minute:
                break
            wait, left = self._seconds_left(admission), left - admission.tokens
        return wait

    def _seconds_left(self, admission: Admission) -> float:
        return admission.at + WINDOW_SECONDS - self.clock()
