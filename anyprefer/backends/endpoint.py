"""One endpoint's gate: how many calls may be in flight, who goes next, and when the endpoint counts as down.

The limit follows the endpoint: it doubles at the start, then grows by one per window of calls, and is cut after a window with
too many overload signs (429, 503, time-outs). The window after a cut shows whether load was the cause: where the signs go
away, or as many calls succeed as before, the cut stays; where nothing but throughput is lost, as with a server that rejects at
random, it is taken back and that share of rejections is put up with.

Several failures in a row with no success between them open a circuit breaker: nothing is sent but one probe now and then. An
endpoint that refuses every call of a kind is of no use either, whatever its reason: it counts as down, and the run stops.
"""

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from anyprefer.backends.troubles import Refusals, Trouble, cause_of, count_cause, effect_of
from anyprefer.errors import EndpointDownError, ModelError, ModelRefusedError, ModelUnavailableError, StopRunError

logger = logging.getLogger(__name__)

FIRST_LIMIT = 32
"""Calls in flight before anything is known; embedded servers have fewer slots and so a lower ceiling."""

USUAL_SHARE = 0.02
"""Share of overload signs that says nothing, to begin with; a window is judged by what is usual, with room for chance."""

MOST_USUAL_SHARE = 0.5
"""Beyond it the endpoint is asked too much, whatever the throughput says: half of the requests are for nothing."""

SMALLEST_WINDOW = 10
"""Calls that a window has at least, and successes if they come at all, so that one unlucky call does not move the limit."""

CUT = 0.7
"""What a cut leaves of the limit."""

BREAK_AFTER = 8
"""Failures in a row (not counting 429) that open the breaker; at 20 % random failures this happens once in 400,000 calls."""

FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 1.0, 30.0
"""Time between probes of an open breaker; it doubles from the first to the longest."""


THROTTLED_SECONDS = 900.0
"""How long an endpoint may answer nothing but 429s before it counts as down: a limit per minute passes, one per day does not."""

GIVEN_UP_SECONDS = 30.0
"""How long nothing is sent to an endpoint that counts as down for good, so that calls that wait fail with those in flight."""


@dataclass(frozen=True)
class _Cut:
    """The limit before a row of cuts, and how the last window before the latest one went."""

    limit: float
    ramping: bool
    share: float
    goodput: float


@dataclass(order=True)
class _Waiter:
    rank: tuple[int, int]
    ready: asyncio.Future[None] = field(compare=False)


@dataclass
class Endpoint:
    """The gate of one model at one endpoint.

    Args:
        name: For messages and statistics.
        ceiling: Most calls in flight.
        patience_seconds: How long an outage may last before `EndpointDownError`.
        clock: Seconds; tests give their own.
    """

    name: str
    ceiling: int
    patience_seconds: float
    clock: Callable[[], float] = time.monotonic
    in_flight: int = 0
    throttled: int = 0
    """Calls answered by 429 so far."""
    troubled: int = 0
    """Calls that failed in any other way a retry may mend."""
    succeeded: int = 0
    """Calls that were answered."""
    refused: int = 0
    """Those of them whose answer was a refusal for good."""
    success_seconds: float = 0.0
    """Sum of the durations of answered calls."""
    troubles: dict[str, Trouble] = field(default_factory=dict)
    """What went wrong so far, by what the messages of one cause have in common."""
    on_trouble: Callable[["Endpoint", Trouble], None] | None = None
    """Told once of each new cause."""

    def __post_init__(self) -> None:
        self.limit = float(min(FIRST_LIMIT, self.ceiling))
        self._ramping = True
        self._usual = USUAL_SHARE
        self._cut: _Cut | None = None
        self._waiting: list[_Waiter] = []
        self._order = itertools.count()
        self._streak = self._unanswered = 0
        """Failures since the last success, without and with 429s."""
        self._down_since: float | None = None
        self._rest = FIRST_REST_SECONDS
        self._probing = False
        self._timer: asyncio.TimerHandle | None = None
        self._last_cause = ""
        self._refusals = Refusals()
        self._given_up: tuple[StopRunError, float] | None = None
        """Why no call is of any use, and until when none is sent."""
        self._open_window()

    @asynccontextmanager
    async def slot(self, priority: int = 0) -> AsyncIterator[None]:
        """Hold a place for one call; a `ModelUnavailableError` from within counts against the endpoint.

        A `ModelError` or `StopRunError` that leaves it is noted among the troubles; for refusals that do not, see `note_refusal`.

        Args:
            priority: Waiting calls with a higher one go first; late rounds must not starve behind new tasks.

        Raises:
            EndpointDownError: The outage has lasted too long, or no call is of any use.
        """
        await self._enter(priority)
        start = self.clock()
        try:
            yield
        except ModelUnavailableError as error:
            self._note_trouble(error)
            self._note_cause(error)
            raise
        except Exception as error:
            self._note_success(0.0)  # an answer that cannot be used is an answer: the endpoint is up
            if isinstance(error, ModelError | StopRunError):
                self._note_cause(error)
            if isinstance(error, StopRunError):
                self.refused += 1
                self._give_up(error)
            raise
        else:
            self._note_success(self.clock() - start)
        finally:
            self.in_flight -= 1
            self._admit()

    def note_refusal(self, error: ModelRefusedError, kind: str = "") -> None:
        """Note that a call was refused for good.

        Args:
            error: The refusal. One that is about its request alone does not speak against the endpoint.
            kind: Which calls are alike, see `Refusals`.

        Raises:
            EndpointDownError: Calls of this kind are refused again and again.
        """
        self.refused += 1
        self._note_cause(error)
        if not error.of_request and (number := self._refusals.add(kind)):
            down = EndpointDownError(
                f"{number} calls in a row were refused: {error}; mend this, then run the same command again (with --retry-failed "
                "for the tasks that it has cost); unfinished tasks go on where they stopped"
            )
            down.cause = cause_of(error)
            self._give_up(down)
            raise down from error

    def note_success(self, kind: str = "") -> None:
        """Note that a call of a kind went well; see `note_refusal`."""
        self._refusals.forget(kind)

    def _note_cause(self, error: ModelError | StopRunError) -> None:
        self._last_cause = cause_of(error)
        kind, effect = type(error).__name__, effect_of(error)
        if isinstance(error, ModelUnavailableError):
            kind = error.kind
        if new := count_cause(self.troubles, Trouble(self._last_cause, kind, 1, effect)):
            logger.warning("%s", new.message)
            if self.on_trouble is not None:
                self.on_trouble(self, new)

    def _give_up(self, error: StopRunError) -> None:
        self._given_up = error, self.clock() + GIVEN_UP_SECONDS
        self._dismiss(error)

    def _dismiss(self, error: StopRunError) -> None:
        """Fail the calls that wait."""
        for waiter in self._waiting:
            if not waiter.ready.done():
                waiter.ready.set_exception(error)
        self._waiting.clear()

    async def _enter(self, priority: int) -> None:
        self._check_patience()
        if not self._waiting and self._has_room():
            self._take()
            return
        waiter = _Waiter((-priority, next(self._order)), asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, waiter)
        self._was_full = True
        self._admit()
        try:
            await waiter.ready
        except asyncio.CancelledError:
            if waiter.ready.done() and not waiter.ready.cancelled() and waiter.ready.exception() is None:
                self.in_flight -= 1
                self._admit()
            raise

    def _has_room(self) -> bool:
        if self._streak >= BREAK_AFTER:
            return not self._probing and self.in_flight == 0 and self._timer is None
        return self.in_flight < int(self.limit)

    def _take(self) -> None:
        self.in_flight += 1
        self._probing = self._streak >= BREAK_AFTER

    def _admit(self) -> None:
        while self._waiting and self._has_room():
            waiter = heapq.heappop(self._waiting)
            if not waiter.ready.done():
                self._take()
                waiter.ready.set_result(None)

    def _note_success(self, seconds: float) -> None:
        self._unanswered = 0
        self._streak, self._down_since, self._rest, self._probing = 0, None, FIRST_REST_SECONDS, False
        self.succeeded += 1
        self.success_seconds += seconds
        self._good += 1
        self._close_call(overloaded=False)

    def _note_trouble(self, error: ModelUnavailableError) -> None:
        self._probing = False
        self._unanswered += 1
        if error.kind == "throttled":
            self.throttled += 1
        else:
            self.troubled += 1
            self._streak += 1
        if self._down_since is None:
            self._down_since = self.clock()
        if self._streak >= BREAK_AFTER:
            self._rest_a_while()
        self._close_call(overloaded=error.kind in ("throttled", "overloaded", "timeout"))

    def _rest_a_while(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._rest, self._wake)
            self._rest = min(2 * self._rest, LONGEST_REST_SECONDS)

    def _wake(self) -> None:
        self._timer = None
        try:
            self._check_patience()
        except EndpointDownError as error:
            self._dismiss(error)
        self._admit()

    def _check_patience(self) -> None:
        if self._given_up is not None and self.clock() < self._given_up[1]:
            down = EndpointDownError(str(self._given_up[0]))
            down.cause = self._given_up[0].cause
            raise down
        if self._down_since is not None and self._unanswered >= BREAK_AFTER:
            seconds = self.clock() - self._down_since
            patience = self.patience_seconds if self._streak >= BREAK_AFTER else max(self.patience_seconds, THROTTLED_SECONDS)
            if seconds > patience:
                down = EndpointDownError(
                    f"{self.name} has not answered for {seconds:.0f} seconds ({self._unanswered} failures in a row; the last: "
                    f"{self._last_cause}): check the server or the network, then run the same command again; unfinished tasks go "
                    "on where they stopped"
                )
                down.cause = self._last_cause
                raise down

    def _open_window(self) -> None:
        self._calls = self._good = self._overloaded = 0
        self._window_start = -1.0
        self._was_full = bool(self._waiting)

    def _close_call(self, *, overloaded: bool) -> None:
        """Count one ended call; at the end of a window, move the limit."""
        if self.in_flight > self.limit + 1:
            self._open_window()  # calls from before a cut say nothing about it
            return
        if self._window_start < 0:
            self._window_start = self.clock()
        self._calls += 1
        self._overloaded += overloaded
        if not self._window_is_full():
            return
        share = self._overloaded / self._calls
        if share <= self._usual + 3 * (self._usual * (1 - self._usual) / self._calls) ** 0.5:
            self._cut = None
            self._usual = max(USUAL_SHARE, 0.9 * self._usual + 0.1 * share)
            if self._was_full:
                self.limit = min(self.ceiling, self.limit + (self.limit if self._ramping else 1))
        else:
            self._shrink(share, self._good / max(self.clock() - self._window_start, 1e-6))
        self._open_window()

    def _window_is_full(self) -> bool:
        """Enough calls and, if there are any, successes; and long enough for the calls that it began with to have ended."""
        size = max(SMALLEST_WINDOW, 2 * int(self.limit))
        if self._calls < size or (self._good < SMALLEST_WINDOW and self._calls < 20 * size):
            return False
        latency = self.success_seconds / self.succeeded if self.succeeded else 0.0
        return self.clock() - self._window_start >= 0.9 * latency

    def _shrink(self, share: float, goodput: float) -> None:
        before = self._cut
        load_is_the_cause = before is None or share <= before.share / 2 or goodput > 0.85 * before.goodput or not before.goodput
        if before and not load_is_the_cause:
            self.limit, self._ramping, self._cut = before.limit, before.ramping, None
            self._usual = min(MOST_USUAL_SHARE, (share + before.share) / 2)
            return
        self._cut = _Cut(before.limit if before else self.limit, before.ramping if before else self._ramping, share, goodput)
        self._ramping = False
        self.limit = max(1.0, CUT * self.limit)
