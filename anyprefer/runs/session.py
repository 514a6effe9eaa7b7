"""One session of a batch run, from a checked recipe to `summary.json`."""

import asyncio
import itertools
import logging
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyprefer import telemetry
from anyprefer.applications.registry import find_application
from anyprefer.backends.budget import Budget, Cost
from anyprefer.config import ClusterOptions, Recipe
from anyprefer.data.blobs import BlobStore
from anyprefer.data.tasks import check_tasks, load_tasks
from anyprefer.errors import ConfigError, DataError
from anyprefer.runs.live import Camera, broadcast
from anyprefer.runs.progress import Progress
from anyprefer.runs.runner import Runner, Stop
from anyprefer.runs.stores import Store
from anyprefer.runs.summary import Summary, earlier_seconds, summarize
from anyprefer.runs.synthesizer import thread_id
from anyprefer.runs.workplace import Workplace, open_workplace
from anyprefer.types import RoleUsage, Task

if TYPE_CHECKING:
    from anyprefer.runs.cluster import Driver
    from anyprefer.runs.folder import RunFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """What to run and where."""

    recipe: Recipe
    tasks: Path | tuple[Task, ...]
    """A source of tasks (see `load_tasks`), or the tasks themselves."""
    out: Path
    limit: int | None = None
    """Most tasks to take."""
    retry_failed: bool = False
    """Whether failed records are dropped and their tasks tried again."""
    accept: int | None = None
    """Accepted records that the folder should have in the end."""
    budget_tokens: int | None = None
    """Most tokens, prompt and completion, over all sessions of the run."""
    budget_usd: float | None = None
    """Most US dollars, likewise."""
    store: str | None = None
    """URL of a Postgres database for journal and checkpoints; None keeps them in the folder."""
    cluster: ClusterOptions | None = None
    """Where to run, if not in this process; needs a store."""

    @property
    def budget(self) -> Budget | None:
        """What the models may cost."""
        if self.budget_tokens is None and self.budget_usd is None:
            return None
        return Budget(self.budget_tokens, self.budget_usd)

    def count_tasks(self) -> int:
        """Check every task and count them, so that a mistake in the last one shows before any work starts.

        Raises:
            DataError: A task cannot be used.
        """
        if isinstance(self.tasks, Path):
            return check_tasks(self.tasks, self.limit, find_application(self.recipe.application).read_task)
        if not self.tasks:
            raise DataError("there are no tasks: give at least one")
        for task_id, number in Counter(task.id for task in self.tasks).items():
            if number > 1:
                raise DataError(f"{number} tasks have the id {task_id!r}: give every task an id of its own")
        if any(task.images for task in self.tasks):
            raise DataError("tasks with pictures come from a file: give its path, so that the run can keep the pictures")
        return len(self.tasks[: self.limit])

    def load_tasks(self, blobs: BlobStore) -> Iterator[Task]:
        """The tasks, which `count_tasks` has checked, with their pictures put into a store."""
        if not isinstance(self.tasks, Path):
            return itertools.islice(iter(self.tasks), self.limit)
        read = find_application(self.recipe.application).read_task
        return load_tasks(self.tasks, limit=self.limit, read=read, checked=True, blobs=blobs)


async def run_session(session: Session, progress: Progress, *, signals: bool = False) -> Summary:
    """Run, or resume, until every task has a record or a drain is requested.

    Everything that can be checked is checked before the first model call: tasks, prompts, tools, keys, weights, endpoints.

    Args:
        session: What to run.
        progress: Shows it.
        signals: Whether SIGINT and SIGTERM drain the run; for a process that does nothing else, in its main thread.

    Raises:
        AnypreferError: Says what is wrong and what to do; finished records stay.
    """
    num_tasks = session.count_tasks()
    opening = open_workplace(session.recipe, session.out, session.store, budget=session.budget, fetching=progress.fetching)
    async with opening as place:
        with telemetry.telemetry(), _log_file(place.folder.files.log):
            return await _run(session, place, progress, num_tasks, signals=signals)


async def _run(session: Session, place: Workplace, progress: Progress, num_tasks: int, *, signals: bool) -> Summary:
    folder, store, backends = place.folder, place.store, place.backends
    await place.modernize()
    if session.retry_failed:
        await _forget_failed(folder, store)
    if backends.budget is not None:
        spent = sum((await store.journal.totals()).values(), RoleUsage())
        backends.budget.spent = Cost(spent.prompt_tokens + spent.completion_tokens, spent.cost_usd or 0.0)
    runner: Runner | Driver = Runner(place.team, folder, store, session.accept)
    if session.cluster is not None:
        runner = _driver(session, session.cluster, folder, store)
    name, files = session.recipe.name, folder.files
    camera = Camera(name, runner, backends.endpoints, num_tasks, earlier_seconds(files.summary, files.live))
    stopped: Stop = "interrupted"
    try:
        num_done = runner.tally.total
        if num_done < num_tasks and session.cluster is None:
            await backends.start()
        progress.start(num_tasks, num_done)
        with _drain_on_signals(runner.request_drain, progress.draining, wanted=signals):
            async with broadcast(camera, folder, progress.show):
                stopped = await runner.run(session.load_tasks(BlobStore(files.blobs)))
    finally:
        progress.stop()
        summary = await summarize(
            folder, store.journal, name, runner.tally, seconds=camera.seconds, stopped=stopped, wanted=session.accept
        )
    return summary


def _driver(session: Session, options: ClusterOptions, folder: "RunFolder", store: Store) -> "Driver":
    from anyprefer.runs.cluster import Driver
    from anyprefer.runs.postgres import PostgresStore, schema_of

    if session.store is None or not isinstance(store, PostgresStore):
        raise ConfigError("--on ray needs a database that every node can reach: give --store postgres://... or ANYPREFER_STORE")
    if session.recipe.review.mode != "none":
        raise ConfigError("tasks cannot wait for reviewers on a cluster: set review.mode = 'none', or leave out --on ray")
    schema = schema_of(folder.path, folder.digest)
    return Driver(session.recipe, folder, store, session.store, schema, options, session.accept, session.budget)


def default_tasks(recipe: Recipe, given: Path | None) -> Path:
    """The task file of the command line, else the recipe's.

    Raises:
        ConfigError: Neither names one.
    """
    if given is not None:
        return given
    if recipe.tasks is None:
        raise ConfigError("no tasks: give --tasks FILE, or set tasks in the recipe")
    return Path(recipe.tasks)


async def _forget_failed(folder: "RunFolder", store: Store) -> None:
    failed = [record.task.id for record in folder.records if record.status == "failed"]
    await store.forget_failed(failed)
    for task_id in failed:  # kept threads would end where they ended before
        await store.saver.adelete_thread(thread_id(folder.digest, task_id))
    folder.records.drop(lambda record: record.status == "failed")
    folder.index.catch_up(folder.records, anew=True)
    logger.info("trying %d failed tasks again", len(failed))


@contextmanager
def _drain_on_signals(drain: Callable[[], None], notify: Callable[[], None], *, wanted: bool) -> Iterator[None]:
    """First SIGINT or SIGTERM: drain. Second: stop at once, as if the process had been killed."""
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    seen = False

    def handle() -> None:
        nonlocal seen
        if seen and task is not None:
            task.cancel()
        seen = True
        drain()
        notify()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("anyprefer")
    root.addHandler(handler)
    level, root.level = root.level, min(root.level or logging.INFO, logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
