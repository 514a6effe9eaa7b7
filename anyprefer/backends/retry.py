"""Try a request again, as long as that makes sense.

Waiting for the next try never holds a place at the endpoint, so a 429 slows the calls it hit and no others.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from anyprefer.backends.endpoint import Endpoint
from anyprefer.backends.failures import model_errors
from anyprefer.errors import ModelRefusedError, ModelUnavailableError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
"""Back-off doubles from the first to the longest, and is drawn between half of that and all of it."""

LONGEST_THROTTLE_SECONDS = 4.0
"""Longest back-off after a 429 without Retry-After: the endpoint's gate sets the pace already."""

THROTTLES_PER_RETRY = 5
"""A 429 says that the server is well and busy: this many count as one failure."""


@dataclass(frozen=True)
class Persistence:
    """How hard one role tries."""

    max_retries: int
    timeout_seconds: float

    async def ask(
        self, request: Callable[[], Awaitable[Result]], endpoint: Endpoint, role: str, model_id: str, priority: int,
        on_trouble: Callable[[ModelUnavailableError], None] = lambda error: None,
        admit: Callable[[], Awaitable[None]] | None = None,
    ) -> Result:  # fmt: skip
        """Make a request until it succeeds or the retries are used up.

        A refusal is an answer like any other to the endpoint's gate; what it means is the caller's to say.

        Args:
            request: Sends it.
            endpoint: Whose gate it goes through.
            role: For messages.
            model_id: Likewise.
            priority: See `Endpoint.slot`.
            on_trouble: Told of every failure that a retry may mend.
            admit: Waits until the request may be sent, each time.

        Raises:
            ModelUnavailableError: The last failure, when there are no retries left.
            ModelRefusedError: The endpoint rejected the request.
            EndpointDownError: The endpoint is down for all calls.
        """
        failures = throttles = 0
        while True:
            try:
                async with endpoint.slot(priority):
                    if admit is not None:
                        await admit()
                    found = await self._once(request, role, model_id)
            except ModelUnavailableError as error:
                on_trouble(error)
                throttles += error.kind == "throttled"
                failures += error.kind != "throttled"
                wait = _wait_seconds(error, throttles if error.kind == "throttled" else failures)
                if failures + throttles / THROTTLES_PER_RETRY > self.max_retries:
                    raise
                logger.debug("%s: %s; trying again in %.1f s", endpoint.name, error, wait)
                await asyncio.sleep(wait)
            else:
                if isinstance(found, ModelRefusedError):
                    raise found
                return found

    async def _once(self, request: Callable[[], Awaitable[Result]], role: str, model_id: str) -> Result | ModelRefusedError:
        try:
            with model_errors(role, model_id):
                async with asyncio.timeout(self.timeout_seconds):
                    return await request()
        except ModelRefusedError as error:
            return error


def _wait_seconds(error: ModelUnavailableError, number: int) -> float:
    """What the endpoint asks for, and a little more so that waiting calls do not come back all at once."""
    if error.retry_after is not None:
        return error.retry_after * random.uniform(1.0, 1.1)  # noqa: S311 - no secret
    most = LONGEST_THROTTLE_SECONDS if error.kind == "throttled" else LONGEST_WAIT_SECONDS
    longest: float = min(most, FIRST_WAIT_SECONDS * 2 ** min(number - 1, 10))
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret
