"""What a run is doing right now, for the progress view and, as `live.json`, for other terminals."""

import asyncio
import ctypes
import itertools
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from anyprefer.backends.endpoint import Endpoint
from anyprefer.backends.troubles import Trouble, by_count
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import RunFolderError
from anyprefer.runs.folder import RunFolder, owner_of
from anyprefer.runs.index import Tally
from anyprefer.runs.stores import Store
from anyprefer.types import RoleUsage

SECONDS = 1.0
"""Time between two pictures."""

PICTURES_BETWEEN_TRIMS = 20
"""How often freed memory goes back to the system."""

_MEMORY = 60.0
"""Seconds that rates look back."""


Show = Callable[["Picture"], None]

Stop = Literal["finished", "accepted", "budget", "interrupted", "endpoint"]
"""Why a session ended: no tasks left, enough accepted, no budget left, asked to stop, or an endpoint that is of no use."""


class EndpointView(BaseModel):
    """One endpoint's traffic."""

    model_config = ConfigDict(frozen=True)

    name: str
    in_flight: int
    limit: int
    """Calls that may be in flight just now."""
    succeeded: int
    throttled: int
    failed: int
    mean_seconds: float | None
    """Of answered calls."""
    refused: int = 0
    """Answered calls whose answer was a refusal for good."""
    troubles: list[Trouble] = []
    """What went wrong in this session, the most frequent first."""

    @classmethod
    def of(cls, endpoint: Endpoint) -> "EndpointView":
        """Look at an endpoint."""
        mean = endpoint.success_seconds / endpoint.succeeded if endpoint.succeeded else None
        return cls(
            name=endpoint.name, in_flight=endpoint.in_flight, limit=int(endpoint.limit), succeeded=endpoint.succeeded,
            throttled=endpoint.throttled, failed=endpoint.troubled, mean_seconds=mean, refused=endpoint.refused,
            troubles=by_count(endpoint.troubles),
        )  # fmt: skip


class Picture(BaseModel):
    """The content of `live.json`."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    pid: int
    time: float
    """Seconds since the epoch."""
    seconds: float
    """Wall time over all sessions."""
    total: int
    """Tasks that the run has to do."""
    wanted: int | None
    """Accepted records asked for."""
    accepted: int
    exhausted: int
    failed: int
    in_progress: int
    """Tasks being worked on."""
    rejected: int = 0
    """Turned down by a reviewer."""
    waiting: int = 0
    """Tasks that wait for a reviewer."""
    rounds: dict[int, int]
    """Attempts made -> number of tasks."""
    exhausted_after_error: int = 0
    """Exhausted tasks that an error ended before they were out of rounds."""
    shortened: int = 0
    """Tasks whose judge or critic saw a shortened text in some round."""
    shortened_parts: dict[str, int] = {}
    """Who saw what shortened, such as "judge: task" -> number of tasks."""
    calls: int
    tokens: int
    cost_usd: float | None
    tasks_per_second: float | None
    """Over the last minute; None before the first task is finished."""
    endpoints: list[EndpointView]
    causes: dict[str, int] = {}
    """Why tasks ended early -> how many did."""
    stop_cause: str = ""
    """Why an endpoint has stopped the run, if one has."""

    @property
    def done(self) -> int:
        """Finished tasks."""
        return self.accepted + self.exhausted + self.rejected + self.failed

    @property
    def acceptance(self) -> float | None:
        """Accepted tasks over finished ones."""
        return self.accepted / self.done if self.done else None

    @property
    def seconds_left(self) -> float | None:
        """At the present rate, until the goal or the last task."""
        if not self.tasks_per_second:
            return None
        left = float(self.total - self.done)
        if self.wanted is not None and self.acceptance:
            left = min(left, (self.wanted - self.accepted) / self.acceptance)
        return left / self.tasks_per_second

    @property
    def slowest(self) -> EndpointView | None:
        """The endpoint with the slowest calls."""
        return max((view for view in self.endpoints if view.mean_seconds), key=lambda view: view.mean_seconds or 0, default=None)


class Working(Protocol):
    """A runner, or the driver of a cluster."""

    accept: int | None
    tally: Tally
    in_progress: int

    @property
    def store(self) -> Store:
        """Where its journal is."""


class Camera:
    """Takes pictures of a running session."""

    def __init__(
        self, recipe: str, runner: Working, endpoints: Mapping[str, Endpoint], total: int, seconds_before: float
    ) -> None:
        self.recipe = recipe
        self.runner = runner
        self.endpoints = endpoints
        self.total = total
        self.seconds_before = seconds_before
        self.stop_cause = ""
        self._start = time.perf_counter()
        self._history: list[tuple[float, int]] = [(self._start, runner.tally.total)]

    @property
    def seconds(self) -> float:
        """Wall time of the run up to now."""
        return self.seconds_before + time.perf_counter() - self._start

    async def take(self) -> Picture:
        """Take one."""
        runner, tally = self.runner, self.runner.tally
        usage = sum((await runner.store.journal.totals()).values(), RoleUsage())
        return Picture(
            recipe=self.recipe, pid=os.getpid(), time=time.time(), seconds=round(self.seconds, 3), total=self.total,
            wanted=runner.accept, accepted=tally.statuses["accepted"], exhausted=tally.statuses["exhausted"],
            exhausted_after_error=tally.exhausted_after_error,
            failed=tally.statuses["failed"], rejected=tally.statuses["rejected"], in_progress=runner.in_progress,
            waiting=tally.waiting, rounds=dict(sorted(tally.rounds.items())), shortened=tally.shortened,
            shortened_parts=dict(sorted(tally.shortened_parts.items())),
            calls=usage.calls, tokens=usage.prompt_tokens + usage.completion_tokens, cost_usd=usage.cost_usd,
            tasks_per_second=self._rate(tally.total),
            endpoints=self.views(), causes=count_by_message(tally.causes), stop_cause=self.stop_cause,
        )  # fmt: skip

    def views(self) -> list[EndpointView]:
        """The endpoints that were called."""
        return [EndpointView.of(one) for one in self.endpoints.values() if one.succeeded + one.troubled + one.throttled]

    def _rate(self, done: int) -> float | None:
        now = time.perf_counter()
        self._history.append((now, done))
        while len(self._history) > 2 and self._history[1][0] < now - _MEMORY:
            del self._history[0]
        then, before = self._history[0]
        return (done - before) / (now - then) if done > before and now > then else None


async def publish(camera: Camera, folder: RunFolder, show: Show) -> None:
    """Take a picture, show it and write it to `live.json`."""
    picture = await camera.take()
    show(picture)
    folder.write(folder.files.live, picture.model_dump_json() + "\n")


@asynccontextmanager
async def broadcast(camera: Camera, folder: RunFolder, show: Show) -> AsyncIterator[None]:
    """Take a picture every second and publish it; whoever knows how it ended publishes the last one."""

    async def loop() -> None:
        for number in itertools.count(1):
            await publish(camera, folder, show)
            if number % PICTURES_BETWEEN_TRIMS == 0:
                give_back_memory()
            await asyncio.sleep(SECONDS)

    task = asyncio.create_task(loop())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def count_by_message(troubles: Mapping[str, Trouble]) -> dict[str, int]:
    """Causes in words, the most frequent first -> how often."""
    return {one.message: one.count for one in by_count(troubles)}


def give_back_memory() -> None:
    """Hand freed memory back to the system, so that the memory of a long run stays flat.

    The C library keeps what it frees in fragments, so a run of hours looks as if it leaked. It costs a few milliseconds.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)


def read_picture(run_dir: Path) -> tuple[Picture, bool]:
    """The last picture of a run folder, and whether a process is working in it.

    Raises:
        RunFolderError: There is none.
    """
    path = RunDir(run_dir).live
    try:
        picture = Picture.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RunFolderError(f"no run in {str(run_dir)!r}: give the folder of `anyprefer run --out`") from None
    except (OSError, ValueError, ValidationError) as error:
        raise RunFolderError(f"cannot read {str(path)!r}: {error}") from error
    return picture, owner_of(run_dir) is not None
