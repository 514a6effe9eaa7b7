"""Ask DuckDuckGo politely: spaced requests, growing pauses after failures, and a breaker that stops asking for a while.

DuckDuckGo limits by address, not by client, so spacing and breaker are shared by the whole process. `ddgs` hides why a search
gave nothing; the engine here keeps the status of the answer, since an honest reason is part of the evidence.
"""

import asyncio
import os
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from anyprefer.errors import ToolError

SAME_LOOK = "the search engine gave no result or is limiting requests: these look the same"


class SearchFailed(ToolError):  # noqa: N818 - an outcome; callers fall back to the corpus
    """Raised when the engine gave nothing; the message says what is known about why."""


@dataclass
class Pace:
    """The process's manners towards one endpoint: when the next request may start and whether the breaker is open."""

    next_start: float = 0.0
    failures: int = 0
    closed_again: float = 0.0
    """When the next request may probe, in monotonic seconds; 0 while the breaker is closed."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take_slot(self, spacing: float, pause: float, longest: float) -> float:
        """Reserve the next start after a pause and return the seconds until then.

        Raises:
            SearchFailed: The start would be later than the caller can wait.
        """
        with self.lock:
            now = time.monotonic()
            start = max(now + pause, self.next_start)
            if start - now > longest:
                raise SearchFailed(f"too many searches wait for their turn, one in {spacing:g} seconds")
            self.next_start = start + spacing
            return start - now

    def enter(self, cooldown: float) -> bool:
        """Let a search in, and tell whether it is a probe that has one try only.

        Raises:
            SearchFailed: The breaker is open.
        """
        with self.lock:
            if not self.closed_again:
                return False
            left = self.closed_again - time.monotonic()
            if left > 0:
                raise SearchFailed(f"the search engine failed {self.failures} times in a row and is left alone for {left:.0f} s")
            self.closed_again = time.monotonic() + cooldown  # others wait for what the probe finds
            return True

    def record(self, *, ok: bool, limit: int, cooldown: float) -> None:
        """Count a search's outcome, opening or closing the breaker."""
        with self.lock:
            self.failures = 0 if ok else self.failures + 1
            self.closed_again = time.monotonic() + cooldown if self.failures >= limit else 0.0


_PACES: dict[str, Pace] = {}
"""Endpoint -> manners, shared by every tool of this process."""


@dataclass(frozen=True)
class Engine:
    """Searches through `ddgs`, one request at a time and spaced."""

    endpoint: str | None
    region: str
    timeout_seconds: float
    spacing_seconds: float
    retries: int
    backoff_seconds: float
    budget_seconds: float
    failure_limit: int
    cooldown_seconds: float

    @property
    def pace(self) -> Pace:
        """The shared state of the endpoint."""
        return _PACES.setdefault(self.endpoint or "", Pace())

    async def search(self, query: str) -> list[dict[str, str]]:
        """Ask until there are results, the tries are used up or the time is.

        Returns:
            Results with `title`, `href` and `body`, best first; at least one.

        Raises:
            SearchFailed: There are none; says what is known about why.
        """
        deadline = time.monotonic() + self.budget_seconds
        is_probe = self.pace.enter(self.cooldown_seconds)
        reason = ""
        for number in range(1 if is_probe else self.retries + 1):
            pause = self.backoff_seconds * 2 ** (number - 1) * random.uniform(1.0, 1.25) if number else 0.0  # noqa: S311
            try:
                wait = self.pace.take_slot(self.spacing_seconds, pause, deadline - time.monotonic())
            except SearchFailed:
                if not number:
                    raise
                break
            await asyncio.sleep(wait)
            seconds = max(0.1, min(self.timeout_seconds, deadline - time.monotonic()))
            results, reason = await asyncio.to_thread(ask, self.endpoint, query, self.region, seconds)
            if results:
                self._record(ok=True)
                return results
        self._record(ok=False)
        raise SearchFailed(reason)

    def _record(self, *, ok: bool) -> None:
        self.pace.record(ok=ok, limit=self.failure_limit, cooldown=self.cooldown_seconds)


def ask(endpoint: str | None, query: str, region: str, seconds: float) -> tuple[list[dict[str, str]], str]:
    """Send one request in the calling thread.

    Returns:
        The results and "", or nothing and the reason.
    """
    from ddgs.engines.duckduckgo import Duckduckgo
    from ddgs.exceptions import DDGSException, TimeoutException
    from lxml.etree import LxmlError

    class StatusEngine(Duckduckgo):
        status = 0

        def request(self, *args: Any, **kwargs: Any) -> str | None:
            answer = self.http_client.request(*args, **kwargs)
            self.status = answer.status_code
            return answer.text if answer.status_code == 200 else None

    engine = StatusEngine(proxy=os.environ.get("DDGS_PROXY"), timeout=seconds)  # type: ignore[arg-type] # fractions work too
    if endpoint:
        engine.search_url = endpoint
    try:
        found = engine.search(query, region=region) or []
    except TimeoutException:
        return [], f"the search engine gave no answer within {seconds:.0f} s"
    except DDGSException as error:  # its text may name a proxy with credentials; its first word is the kind of failure
        return [], f"the search engine cannot be reached ({str(error).partition(':')[0][:60]})"
    except (LxmlError, ValueError):
        found = []
    results = [{"title": item.title, "href": item.href, "body": item.body} for item in found if item.href and item.body]
    return results, "" if results else _explain_status(engine.status)


def _explain_status(status: int) -> str:
    if status == 200:
        return SAME_LOOK
    hint = ", which is how it limits requests" if status in (202, 403, 429) else ""
    return f"the search engine answered with status {status}{hint}"
