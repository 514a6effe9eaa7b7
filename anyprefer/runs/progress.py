"""What a person sees while a run goes on: a live view on a terminal, plain lines elsewhere; always on stderr."""

import time
from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.progress_bar import ProgressBar
from rich.text import Text

from anyprefer.backends.endpoint import Endpoint
from anyprefer.backends.troubles import Trouble, count_cause
from anyprefer.errors import StopRunError
from anyprefer.redaction import clean
from anyprefer.runs.live import Picture
from anyprefer.runs.naming import name_exhausted, name_shortened

PLAIN_SECONDS = 10.0
"""Least time between two plain lines."""


class Progress:
    """Shows a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_line = 0.0
        self._last: Picture | None = None
        self._live: Live | None = None
        self._told: dict[str, Trouble] = {}
        self._known: dict[str, int] = {}
        """Causes in words -> tasks of earlier sessions."""
        self._fetch: Bar | None = None

    def fetching(self, done: int, total: int) -> None:
        """Show weights being fetched, both numbers in bytes; may be called from another thread."""
        if self._console.is_terminal:
            if self._fetch is None:
                self._fetch = Bar(
                    TextColumn("fetching weights"), BarColumn(), TextColumn("{task.fields[size]}"), console=self._console
                )
                self._fetch.add_task("", total=total, size="")
                self._fetch.start()
            self._fetch.update(self._fetch.task_ids[0], completed=done, total=total, size=f"{done >> 20} of {total >> 20} MiB")
            if done >= total:
                self._fetch.stop()
                self._fetch = None
        elif time.monotonic() - self._last_line > PLAIN_SECONDS or done >= total:
            self._last_line = time.monotonic()
            self._line(f"fetching weights: {done >> 20} of {total >> 20} MiB")

    def start(self, total: int, done: int) -> None:
        """Begin with `done` of `total` tasks finished by earlier sessions."""
        if done:
            self._line(f"resuming: {done} of {total} tasks are finished")
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()

    def know(self, causes: Mapping[str, int]) -> None:
        """Take note of why tasks of earlier sessions ended; it is no news unless it happens again."""
        self._known = dict(causes)

    def note_trouble(self, endpoint: Endpoint, trouble: Trouble) -> None:
        """Say at once what an endpoint did for the first time; what stops the run is said by `stopping`."""
        if trouble.effect != "run" and count_cause(self._told, trouble):
            self._line(f"{trouble.message}{' (tried again)' if trouble.effect == 'passing' else ''}")

    def note(self, line: str) -> None:
        """Say something once."""
        self._line(line)

    def stopping(self, error: StopRunError) -> None:
        """Say at once what stops the run; running calls are still being finished."""
        error.told = True
        self._line(f"error: {error}")

    def show(self, picture: Picture) -> None:
        """Show what the run is doing, and once every new cause that ended tasks."""
        for cause, number in picture.causes.items():
            if number > self._known.get(cause, 0) and count_cause(self._told, Trouble(cause, "")):
                self._line(f"{cause} ({count_tasks(number)} so far)")
        if self._live is not None:
            self._live.update(Group(_bar(picture), *(Text(line) for line in describe(picture))), refresh=True)
            return
        news = self._last is None or self._last.done != picture.done
        if news and picture.done and (time.monotonic() - self._last_line > PLAIN_SECONDS or picture.done == picture.total):
            self._last_line = time.monotonic()
            self._last = picture
            self._line(next(describe(picture)))

    def say(self, line: str) -> None:
        """Say something once."""
        self._line(line)

    def draining(self) -> None:
        """Say that the run is about to stop."""
        self._line("stopping: running calls are finished and kept; press Ctrl-C again to stop at once")

    def stop(self) -> None:
        """Take the view away."""
        if self._live is not None:
            self._live.stop()
        if self._fetch is not None:
            self._fetch.stop()

    def _line(self, text: str) -> None:
        self._console.print(clean(text), highlight=False, markup=False, soft_wrap=True)


def describe(picture: Picture) -> Iterator[str]:
    """A run in a few lines: counts, then rates and cost, then what went wrong, then rounds, then endpoints."""
    wanted = "" if picture.wanted is None else f" of {picture.wanted} wanted"
    share = "" if picture.acceptance is None else f" ({picture.acceptance:.0%})"
    rejected = f", {picture.rejected} rejected" if picture.rejected else ""
    waiting = f"; {picture.waiting} wait for a review" if picture.waiting else ""
    yield (
        f"{picture.done} of {picture.total} tasks: {picture.accepted} accepted{wanted}{share}, "
        f"{name_exhausted(picture.exhausted, picture.exhausted_after_error)}, {picture.failed} failed{rejected}; "
        f"{picture.in_progress} in progress{waiting}"
    )
    rate = "" if picture.tasks_per_second is None else f", {_rate(picture.tasks_per_second)}"
    left = "" if picture.seconds_left is None else f", {_duration(picture.seconds_left)} left"
    cost = "" if picture.cost_usd is None else f", {picture.cost_usd:.4f} USD"
    yield f"{_duration(picture.seconds)} so far{left}{rate}; {picture.calls} calls, {picture.tokens:,} tokens{cost}"
    if picture.stop_cause:
        yield f"stopped by an endpoint: {picture.stop_cause}"
    yield from describe_causes(picture.causes)
    if picture.rounds:
        yield "attempts: " + ", ".join(f"{number} x {count}" for number, count in picture.rounds.items())
    if picture.shortened:
        yield name_shortened(picture.shortened, picture.shortened_parts)
    for view in picture.endpoints:
        slow = ", slowest" if len(picture.endpoints) > 1 and view == picture.slowest else ""
        refused = f" ({view.refused} refused)" if view.refused else ""
        mean = "" if view.mean_seconds is None else f", {view.mean_seconds:.2f} s a call{slow}"
        yield (
            f"{view.name}: {view.in_flight} in flight (at most {view.limit}), {view.succeeded} answered{refused}, "
            f"{view.throttled} throttled, {view.failed} failed{mean}"
        )
        yield from (f"  {line}" for line in describe_passing(view.troubles))


def describe_causes(causes: Mapping[str, int]) -> Iterator[str]:
    """Why tasks ended early, a line each."""
    for cause, number in causes.items():
        yield f"{count_tasks(number)} ended early: {cause}"


def describe_passing(troubles: Iterable[Trouble]) -> Iterator[str]:
    """What went wrong with calls that were tried again, a line each."""
    for one in troubles:
        if one.effect == "passing":
            yield f"{one.count} call{'' if one.count == 1 else 's'} failed for the time being: {one.message}"


def count_tasks(number: int) -> str:
    """So many tasks, in words."""
    return f"{number} task{'' if number == 1 else 's'}"


def _bar(picture: Picture) -> ProgressBar:
    if picture.wanted is not None:
        return ProgressBar(total=picture.wanted, completed=picture.accepted, width=60)
    return ProgressBar(total=max(picture.total, 1), completed=picture.done, width=60)


def _rate(per_second: float) -> str:
    return f"{per_second:.1f} tasks a second" if per_second >= 1 else f"{1 / per_second:.1f} seconds a task"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
