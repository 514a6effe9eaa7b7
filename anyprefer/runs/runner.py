"""The batch runner: works through tasks with bounded concurrency, resumes after any crash, drains on request.

Order of events per finished task: the record is appended, then its checkpoints are deleted. Killed between the two, the next
session sees the record and drops the checkpoints.
"""

import asyncio
import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import GraphDrained
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import RunControl

from anyprefer.agents.team import Team
from anyprefer.errors import ModelUnavailableError, RunFolderError
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.graph.state import state_serializer
from anyprefer.runs.folder import RunFolder
from anyprefer.runs.summary import Tally
from anyprefer.types import PreferenceRecord, Task

logger = logging.getLogger(__name__)

THREADS = uuid.UUID("5c0f3f0e-6f3b-5d0a-9b5e-0d9c1a7e4b21")
"""Namespace of thread ids, which are UUIDs so that LangGraph's server can open them too."""

MAX_OUTAGE = 10
"""Tasks in a row that fail because the endpoint is unavailable before the run stops, leaving the rest untouched."""


class Runner:
    """Runs one team over many tasks into one folder."""

    def __init__(
        self, team: Team, folder: RunFolder, on_record: Callable[[PreferenceRecord], None] = lambda record: None
    ) -> None:
        self.team = team
        self.folder = folder
        self.tally = Tally()
        self._on_record = on_record
        self._controls: set[RunControl] = set()
        self._draining = False
        self._outage = 0

    def request_drain(self) -> None:
        """Let running steps finish and be checkpointed, then stop; safe to call from a signal handler of the loop."""
        self._draining = True
        for control in self._controls:
            control.request_drain()

    async def run(self, tasks: Iterable[Task]) -> bool:
        """Finish every task that has no record yet.

        Returns:
            Whether the run was drained before its end.

        Raises:
            RunFolderError: The folder cannot be written; finished records stay.
            ModelUnavailableError: Too many tasks in a row found the endpoint unavailable.
        """
        done = set()
        for record in self.folder.records:
            done.add(record.task.id)
            self.tally.add(record)
        pending = (task for task in tasks if task.id not in done)
        async with AsyncExitStack() as stack:
            saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(str(self.folder.checkpoints)))
            await self._prepare(saver, done)
            graph = build_graph(self.team).compile(checkpointer=saver, name="anyprefer")
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self.team.recipe.run.concurrency):
                        group.create_task(self._work(pending, graph, saver))
            except* (RunFolderError, ModelUnavailableError, sqlite3.Error) as errors:
                raise _plain(errors.exceptions[0], self.folder) from errors
        return self._draining

    async def _prepare(self, saver: AsyncSqliteSaver, done: set[str]) -> None:
        saver.serde = state_serializer()
        await saver.setup()
        # The default, FULL, syncs the disk 30 times a task; the journal keeps what was paid for in any case.
        await saver.conn.execute("PRAGMA synchronous = NORMAL")
        rows = await saver.conn.execute_fetchall("SELECT DISTINCT thread_id FROM checkpoints")
        left = {row[0] for row in rows}
        for task_id in done if left else ():
            if (thread := thread_id(self.folder.digest, task_id)) in left:
                await saver.adelete_thread(thread)

    async def _work(
        self, pending: Iterator[Task], graph: CompiledStateGraph[Any, Any, Any, Any], saver: AsyncSqliteSaver
    ) -> None:
        for task in pending:
            if self._draining:
                return
            control = RunControl()
            self._controls.add(control)
            try:
                record = await self._synthesize(task, graph, control)
            except GraphDrained:
                return
            finally:
                self._controls.discard(control)
            self.folder.records.append(record)
            await saver.adelete_thread(thread_id(self.folder.digest, task.id))
            self.tally.add(record)
            self._on_record(record)
            self._watch_outage(record)

    async def _synthesize(
        self, task: Task, graph: CompiledStateGraph[Any, Any, Any, Any], control: RunControl
    ) -> PreferenceRecord:
        config: RunnableConfig = {
            "configurable": {"thread_id": thread_id(self.folder.digest, task.id)},
            "recursion_limit": recursion_limit(self.team.recipe),
        }
        known = (await graph.aget_state(config)).created_at is not None
        start = time.perf_counter()
        # A half-finished thread resumes on None; giving the input again would restart it on top of its old state.
        state = await graph.ainvoke(
            None if known else {"task": task}, config, durability=self.team.recipe.run.durability, control=control
        )
        record: PreferenceRecord = state["record"]
        logger.info("task %s: %s in %.1f s", task.id, record.status, time.perf_counter() - start)
        return record

    def _watch_outage(self, record: PreferenceRecord) -> None:
        unavailable = record.error is not None and record.error.kind == ModelUnavailableError.__name__
        self._outage = self._outage + 1 if unavailable else 0
        if record.error and self._outage >= MAX_OUTAGE:
            raise ModelUnavailableError(
                f"{MAX_OUTAGE} tasks in a row found no model: {record.error.message}. Finished records stay; run the same "
                "command with --retry-failed once the endpoint is back"
            )


def thread_id(digest: str, task_id: str) -> str:
    """The LangGraph thread of a task in a run."""
    return str(uuid.uuid5(THREADS, f"{digest}:{task_id}"))


def _plain(error: BaseException, folder: RunFolder) -> BaseException:
    if isinstance(error, sqlite3.Error):
        return RunFolderError(
            f"cannot write checkpoints in {str(folder.path)!r}: {error}; free disk space and run the same command again, "
            "what was finished stays"
        )
    return error
