"""One session of a batch run, from a checked recipe to `summary.json`."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anyprefer.agents.library import load_prompts, prompt_hashes
from anyprefer.agents.team import build_team
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.data.tasks import check_tasks, load_tasks
from anyprefer.errors import ConfigError
from anyprefer.runs.folder import RunFolder
from anyprefer.runs.progress import Progress
from anyprefer.runs.runner import Runner
from anyprefer.runs.summary import Summary, earlier_seconds, summarize

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """What to run and where."""

    recipe: Recipe
    tasks: Path
    out: Path
    limit: int | None = None
    """Most tasks to take from the file."""
    retry_failed: bool = False
    """Whether failed records are dropped and their tasks tried again."""


async def run_session(session: Session, progress: Progress) -> Summary:
    """Run, or resume, until every task has a record or a drain is requested.

    Everything that can be checked is checked before the first model call: tasks, prompts, tools, keys, weights, endpoints.

    Raises:
        AnypreferError: Says what is wrong and what to do; finished records stay.
    """
    recipe = session.recipe
    num_tasks = check_tasks(session.tasks, session.limit)
    async with Backends(recipe, progress.fetching) as backends:
        folder = RunFolder(session.out, recipe, prompt_hashes(load_prompts(recipe)))
        try:
            with _log_file(folder.path / "run.log"):
                return await _run(session, folder, backends, progress, num_tasks)
        finally:
            folder.close()


async def _run(session: Session, folder: RunFolder, backends: Backends, progress: Progress, num_tasks: int) -> Summary:
    recipe, start = session.recipe, time.perf_counter()
    team = build_team(recipe, backends, folder.journal, folder.digest)
    runner = Runner(team, folder, progress.record)
    before = earlier_seconds(folder.summary)
    if session.retry_failed:
        _forget_failed(folder)
    interrupted = True
    try:
        num_done = len(folder.records.ids())
        if num_done < num_tasks:
            await backends.start()
        progress.start(num_tasks, num_done)
        with _drain_on_signals(runner.request_drain, progress.draining):
            interrupted = await runner.run(load_tasks(session.tasks, limit=session.limit))
    finally:
        progress.stop()
        await team.toolbox.aclose()
        seconds = before + time.perf_counter() - start
        summary = summarize(folder, recipe.name, runner.tally, seconds=seconds, interrupted=interrupted)
    return summary


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


def _forget_failed(folder: RunFolder) -> None:
    failed = [record.task.id for record in folder.records if record.status == "failed"]
    folder.journal.forget_bad(failed)
    folder.records.drop(lambda record: record.status == "failed")
    logger.info("trying %d failed tasks again", len(failed))


@contextmanager
def _drain_on_signals(drain: Callable[[], None], notify: Callable[[], None]) -> Iterator[None]:
    """First SIGINT or SIGTERM: drain. Second: stop at once, as if the process had been killed."""
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
