"""The batch runner: works through tasks with bounded concurrency, resumes after any crash, stops at goals, drains on request.

Order of events per finished task: the record is appended, the index notes it, its checkpoints are deleted. Killed in between,
the next session finds the record and does the rest.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Iterator

from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from anyprefer.agents.team import Team
from anyprefer.errors import BudgetSpentError, DataError, StopRunError
from anyprefer.runs.folder import RunFolder
from anyprefer.runs.index import Suspicion
from anyprefer.runs.live import Stop
from anyprefer.runs.stores import Store
from anyprefer.runs.synthesizer import Synthesizer, thread_id
from anyprefer.types import Failure, PreferenceRecord, Task

logger = logging.getLogger(__name__)


class Runner:
    """Runs one team over many tasks into one folder.

    Args:
        team: The agents.
        folder: Where records go; open.
        store: Where checkpoints go; open.
        accept: How many accepted records the folder should have in the end; None is as many as there are.
        on_record: Called with every record of this session.
        on_stop: Called with what stops the run, while running calls are still being finished.
    """

    def __init__(
        self,
        team: Team,
        folder: RunFolder,
        store: Store,
        accept: int | None = None,
        on_record: Callable[[PreferenceRecord], None] = lambda record: None,
        on_stop: Callable[[StopRunError], None] = lambda error: None,
    ) -> None:
        self.team = team
        self.folder = folder
        self.store = store
        self.accept = accept
        self.tally = folder.index.tally()
        self.in_progress = 0
        """Tasks being worked on."""
        self.synthesizer = Synthesizer(team, store.saver, store.errors, folder.identity)
        self._on_record = on_record
        self._on_stop = on_stop
        self._controls: set[RunControl] = set()
        self._stop: Stop | None = None
        self._failure: StopRunError | None = None
        self._changed = asyncio.Event()
        self._suspects: dict[str, Suspicion] = {}

    def request_drain(self, why: Stop = "interrupted") -> None:
        """Let running steps finish and be kept, then stop; safe to call from a signal handler of the loop."""
        self._stop = self._stop or why
        self._changed.set()
        for control in self._controls:
            control.request_drain()

    async def run(self, tasks: Iterable[Task]) -> Stop:
        """Finish tasks that have no record yet, until there are no more or a goal is reached.

        Raises:
            RunFolderError: The folder or the store cannot be written; finished records stay.
            EndpointDownError: A model has been down for too long; unfinished tasks stay unfinished.
        """
        done = self.folder.index.done()
        self._suspects = self.folder.index.suspects()
        self.synthesizer.left = left = await self.store.threads()
        for task_id in done if left and not self.team.recipe.run.keep_threads else ():
            if (thread := thread_id(self.folder.identity, task_id)) in left:
                await self.store.saver.adelete_thread(thread)
        if self._enough():
            return "accepted"
        alone: list[Task] = []
        pending = self._harmless((task for task in tasks if task.id not in done), alone)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.team.recipe.run.concurrency):
                    group.create_task(self._work(pending))
            await self._work(iter(alone), alone=True)
        except* Exception as errors:
            first = errors.exceptions[0]
            raise (self.store.explain(first) if isinstance(first, self.store.errors) else first) from errors
        if self._failure:
            raise self._failure
        return self._stop or "finished"

    def _harmless(self, tasks: Iterable[Task], alone: list[Task]) -> Iterator[Task]:
        """Set aside tasks that were in progress at repeated deaths of the process: one at a time they show whose fault it was."""
        for task in tasks:
            suspicion = self._suspects.get(task.id)
            if suspicion and suspicion.deaths > 1:
                alone.append(task)
            else:
                yield task

    async def _work(self, pending: Iterator[Task], *, alone: bool = False) -> None:
        while await self._may_start():
            task = next(pending, None)
            if task is None:
                return
            self.in_progress += 1
            try:
                await self._finish(task, alone=alone)
            finally:
                self.in_progress -= 1
                self._changed.set()

    async def _may_start(self) -> bool:
        """Wait while the tasks in progress are likely to be enough; false once the run stops."""
        while not self._stop:
            if self.in_progress < self._allowance():
                return True
            self._changed.clear()
            await self._changed.wait()
        return False

    def _allowance(self) -> float:
        """Tasks that may be in progress: about as many as it takes, going by the share accepted so far."""
        if self.accept is None:
            return math.inf
        accepted = self.tally.statuses["accepted"]
        return math.ceil((self.accept - accepted) * (self.tally.total + 2) / (accepted + 1))

    def _enough(self) -> bool:
        return self.accept is not None and self.tally.statuses["accepted"] >= self.accept

    async def _finish(self, task: Task, *, alone: bool) -> None:
        """Work on one task and keep its record; what stops the run leaves the task for a later session."""
        control = RunControl()
        self._controls.add(control)
        suspicion = self._suspects.get(task.id)
        self.folder.index.begin(task.id, await self.store.journal.count(task.id) if suspicion else 0, alone=alone)
        try:
            if suspicion and suspicion.deaths_alone >= self.team.recipe.run.max_tries:
                record = await self._quarantined(task, suspicion)
            else:
                found = await self.synthesizer.synthesize(task, control)
                if found is None:
                    self.folder.index.end(task.id)
                    self.tally.waiting += 1
                    return
                record = found
        except GraphDrained:
            self.folder.index.end(task.id)
        except StopRunError as error:
            await self._halt(task, error)
        except BaseException:
            self.folder.index.end(task.id)
            raise
        else:
            await self.keep(record)
        finally:
            self._controls.discard(control)

    async def _halt(self, task: Task, error: StopRunError) -> None:
        self.folder.index.end(task.id)
        # The failed step stands in the thread; without it the task goes on from the journal, which has all that was paid for.
        await self.synthesizer.forget(task)
        if isinstance(error, BudgetSpentError):
            logger.info("%s", error)
            self.request_drain("budget")
        else:
            if self._failure is None:
                self._failure = error
                self._on_stop(error)
            self.request_drain("endpoint")

    async def keep(self, record: PreferenceRecord) -> None:
        """Write a record and forget the task's checkpoints; one accepted beyond what was asked for stays as it is."""
        if record.status == "accepted" and self._enough():
            self.folder.index.end(record.task.id)
            logger.info("task %s: accepted beyond the %s wanted; kept for when more are wanted", record.task.id, self.accept)
            return
        try:
            end = self.folder.records.append(record)
        except DataError as error:  # a model or a tool gave what nothing can store
            logger.warning("task %s: %s", record.task.id, error)
            record = await self.synthesizer.salvage(record, error)
            end = self.folder.records.append(record)
        self.folder.index.add(record, end)
        self.tally.add(record)
        self._on_record(record)
        if not self.team.recipe.run.keep_threads:
            await self.synthesizer.forget(record.task)
        if self._enough():
            self.request_drain("accepted")

    async def _quarantined(self, task: Task, suspicion: Suspicion) -> PreferenceRecord:
        message = (
            f"the process died {suspicion.deaths_alone} times while it worked on this task alone: look for what it does to the "
            "machine (memory, a tool), then run again with --retry-failed"
        )
        return await self.team.record(task, (), status="failed", error=Failure(kind="ProcessDied", message=message, node=""))
