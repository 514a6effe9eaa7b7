"""What a person sees while a run goes on: a live bar on a terminal, plain lines elsewhere; always on stderr."""

import time
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from anyprefer.types import PreferenceRecord

PLAIN_SECONDS = 10.0
"""Least time between two plain lines."""


class Progress:
    """Counts finished tasks and shows them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._counts: Counter[str] = Counter()
        self._total = self._done = 0
        self._last_line = 0.0
        self._bar: Bar | None = None
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
        self._total, self._done = total, done
        if done:
            self._line(f"resuming: {done} of {total} tasks are finished")
        if self._console.is_terminal:
            self._bar = Bar(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[counts]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.add_task("", total=total, completed=done, counts="")
            self._bar.start()

    def record(self, record: PreferenceRecord) -> None:
        """Show one more finished task."""
        self._done += 1
        self._counts[record.status] += 1
        counts = ", ".join(f"{number} {status}" for status, number in sorted(self._counts.items()))
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, counts=counts)
        elif time.monotonic() - self._last_line > PLAIN_SECONDS or self._done == self._total:
            self._last_line = time.monotonic()
            self._line(f"{self._done} of {self._total} tasks: {counts}")

    def draining(self) -> None:
        """Say that the run is about to stop."""
        self._line("stopping: running calls are finished and kept; press Ctrl-C again to stop at once")

    def stop(self) -> None:
        """Take the bar away."""
        for bar in (self._bar, self._fetch):
            if bar is not None:
                bar.stop()

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
