"""What a person sees while a run goes on: a live view on a terminal, plain lines elsewhere; always on stderr."""

import time
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.progress_bar import ProgressBar
from rich.text import Text

from anyprefer.runs.live import Picture

PLAIN_SECONDS = 10.0
"""Least time between two plain lines."""


class Progress:
    """Shows a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_line = 0.0
        self._last: Picture | None = None
        self._live: Live | None = None
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

    def show(self, picture: Picture) -> None:
        """Show what the run is doing."""
        if self._live is not None:
            self._live.update(Group(_bar(picture), *(Text(line) for line in describe(picture))), refresh=True)
            return
        news = self._last is None or self._last.done != picture.done
        if news and picture.done and (time.monotonic() - self._last_line > PLAIN_SECONDS or picture.done == picture.total):
            self._last_line = time.monotonic()
            self._last = picture
            self._line(next(describe(picture)))

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
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def describe(picture: Picture) -> Iterator[str]:
    """A run in a few lines: counts, then rates and cost, then rounds, then endpoints."""
    wanted = "" if picture.wanted is None else f" of {picture.wanted} wanted"
    share = "" if picture.acceptance is None else f" ({picture.acceptance:.0%})"
    rejected = f", {picture.rejected} rejected" if picture.rejected else ""
    waiting = f"; {picture.waiting} wait for a review" if picture.waiting else ""
    yield (
        f"{picture.done} of {picture.total} tasks: {picture.accepted} accepted{wanted}{share}, {picture.exhausted} exhausted, "
        f"{picture.failed} failed{rejected}; {picture.in_progress} in progress{waiting}"
    )
    rate = "" if picture.tasks_per_second is None else f", {_rate(picture.tasks_per_second)}"
    left = "" if picture.seconds_left is None else f", {_duration(picture.seconds_left)} left"
    cost = "" if picture.cost_usd is None else f", {picture.cost_usd:.4f} USD"
    yield f"{_duration(picture.seconds)} so far{left}{rate}; {picture.calls} calls, {picture.tokens:,} tokens{cost}"
    if picture.rounds:
        yield "attempts: " + ", ".join(f"{number} x {count}" for number, count in picture.rounds.items())
    for view in picture.endpoints:
        slow = ", slowest" if len(picture.endpoints) > 1 and view == picture.slowest else ""
        mean = "" if view.mean_seconds is None else f", {view.mean_seconds:.2f} s a call{slow}"
        yield (
            f"{view.name}: {view.in_flight} in flight (at most {view.limit}), {view.succeeded} answered, "
            f"{view.throttled} throttled, {view.failed} failed{mean}"
        )


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
