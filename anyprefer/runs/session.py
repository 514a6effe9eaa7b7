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
from anyprefer.agents.sampler import check_given
from anyprefer.agents.task_checks import TaskChecks
from anyprefer.applications.registry import find_application
from anyprefer.backends.budget import Budget, Cost
from anyprefer.backends.troubles import cause_of
from anyprefer.config import ClusterOptions, Recipe
from anyprefer.data.blobs import BlobStore
from anyprefer.data.given import read_given
from anyprefer.data.tasks import ReadTask, check_tasks, load_tasks
from anyprefer.errors import ConfigError, DataError, ModelError, StopRunError
from anyprefer.runs.live import Camera, Stop, broadcast, count_by_message, publish
from anyprefer.runs.log import log_file
from anyprefer.runs.progress import Progress
from anyprefer.runs.runner import Runner
from anyprefer.runs.stores import Store
from anyprefer.runs.summary import Summary, earlier_seconds, summarize
from anyprefer.runs.task_changes import Resolution, TasksDigest, resolve_changes
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
    """Whether tasks that an error ended are tried again."""
    changed_tasks: Resolution | None = None
    """What becomes of records whose tasks have changed since; None stops the session where there are any."""
    reuse: str | Path | None = None
    """A run folder whose completed calls need not be paid again."""
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

    def count_tasks(self, digest: TasksDigest | None = None) -> int:
        """Check every task and count them, so that a mistake in the last one shows before any work starts.

        Args:
            digest: Takes in every task.

        Raises:
            DataError: A task cannot be used.
        """
        digest = digest or TasksDigest()
        if isinstance(self.tasks, Path):
            read = digest.reader(TaskChecks(self.recipe).reader(self._reader()))
            return check_tasks(self.tasks, self.limit, read, self.recipe.columns)
        if not self.tasks:
            raise DataError("there are no tasks: give at least one")
        for task_id, number in Counter(task.id for task in self.tasks).items():
            if number > 1:
                raise DataError(f"{number} tasks have the id {task_id!r}: give every task an id of its own")
        checks = TaskChecks(self.recipe)
        for task in self.tasks:
            check_given(task, existing=self.recipe.sampling.existing)
            checks.check(task)
        if any(task.images for task in self.tasks):
            raise DataError("tasks with pictures come from a file: give its path, so that the run can keep the pictures")
        for task in self.tasks[: self.limit]:
            digest.add(task)
        return len(self.tasks[: self.limit])

    def load_tasks(self, blobs: BlobStore | None = None) -> Iterator[Task]:
        """The tasks, which `count_tasks` has checked, with their pictures put into a store."""
        if not isinstance(self.tasks, Path):
            return itertools.islice(iter(self.tasks), self.limit)
        columns, read = self.recipe.columns, self._reader()
        return load_tasks(self.tasks, limit=self.limit, read=read, checked=True, blobs=blobs, columns=columns)

    def _reader(self) -> ReadTask:
        """What makes tasks of rows."""
        read = find_application(self.recipe.application).read_task
        return read_given(read) if self.recipe.sampling.existing else read


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
    digest = TasksDigest()
    num_tasks = session.count_tasks(digest)
    opening = open_workplace(
        session.recipe, session.out, session.store, budget=session.budget, retry_failed=session.retry_failed,
        reuse=None if session.reuse is None else Path(session.reuse), progress=progress,
    )  # fmt: skip
    async with opening as place:
        with telemetry.telemetry(), log_file(place.folder.files.log):
            num_tasks += await _prepare(session, place, digest.hexdigest())
            return await _run(session, place, progress, num_tasks, signals=signals)


async def _prepare(session: Session, place: Workplace, digest: str) -> int:
    """Bring the folder into line with what the session asks for; gives how many records are of other tasks than its."""
    await place.modernize()
    if session.retry_failed:
        await place.retry_failed()
    tasks = session.load_tasks()
    return await resolve_changes(place, tasks, digest, is_whole=session.limit is None, resolution=session.changed_tasks)


async def _run(session: Session, place: Workplace, progress: Progress, num_tasks: int, *, signals: bool) -> Summary:
    folder, store, backends = place.folder, place.store, place.backends
    if backends.budget is not None:
        spent = sum((await store.journal.totals()).values(), RoleUsage())
        backends.budget.spent = Cost(spent.prompt_tokens + spent.completion_tokens, spent.cost_usd or 0.0)
    runner: Runner | Driver = Runner(place.team, folder, store, session.accept, on_stop=progress.stopping)
    if session.cluster is not None:
        runner = _driver(session, session.cluster, folder, store)
    name, files = session.recipe.name, folder.files
    camera = Camera(name, runner, backends.endpoints, num_tasks, earlier_seconds(files.summary, files.live))
    for endpoint in backends.endpoints.values():
        endpoint.on_trouble = progress.note_trouble
    backends.known.on_news = progress.note
    stopped: Stop = "interrupted"
    try:
        num_done = runner.tally.total
        progress.know(count_by_message(runner.tally.causes))
        if num_done < num_tasks and session.cluster is None:
            await backends.start(store.journal)
        progress.start(num_tasks, num_done)
        with _drain_on_signals(runner.request_drain, progress.draining, wanted=signals):
            async with broadcast(camera, folder, progress.show):
                stopped = await runner.run(session.load_tasks(BlobStore(files.blobs)))
    except (ModelError, StopRunError) as error:
        stopped, camera.stop_cause = "endpoint", cause_of(error)
        raise
    finally:
        await publish(camera, folder, progress.show)
        progress.stop()
        summary = await summarize(camera, folder, stopped)
    return summary


def _driver(session: Session, options: ClusterOptions, folder: "RunFolder", store: Store) -> "Driver":
    from anyprefer.runs.cluster import Driver
    from anyprefer.runs.postgres import PostgresStore, schema_of

    if session.store is None or not isinstance(store, PostgresStore):
        raise ConfigError("--on ray needs a database that every node can reach: give --store postgres://... or ANYPREFER_STORE")
    if session.recipe.review.mode != "none":
        raise ConfigError("tasks cannot wait for reviewers on a cluster: set review.mode = 'none', or leave out --on ray")
    if session.reuse is not None:
        raise ConfigError("--reuse works in this process alone: leave out --on ray")
    schema = schema_of(folder.path, folder.identity)
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
