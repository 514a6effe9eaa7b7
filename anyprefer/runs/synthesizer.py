"""One task through the graph, whatever happens on the way."""

import logging
import time
import uuid
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphDrained
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command

from anyprefer import telemetry
from anyprefer.agents.outcome import best_of, best_pair_of
from anyprefer.agents.team import Team
from anyprefer.backends.troubles import failure_of
from anyprefer.data.records import record_line
from anyprefer.errors import AnypreferError, DataError
from anyprefer.graph.builder import build_graph, recursion_limit
from anyprefer.graph.nodes import NodeCrashedError
from anyprefer.graph.state import SynthesisState
from anyprefer.types import Attempt, PreferenceRecord, Review, Task

logger = logging.getLogger(__name__)

THREADS = uuid.UUID("5c0f3f0e-6f3b-5d0a-9b5e-0d9c1a7e4b21")
"""Namespace of thread ids, which are UUIDs so that LangGraph's server can open them too."""

MAX_CRASHES = 10
"""Tasks in a row that end in an unexpected error before the run stops: then it is no single task's fault."""


@dataclass(frozen=True)
class Waiting:
    """A task that waits for a reviewer.

    Attributes:
        task: The task.
        attempt: The one whose pair is in question.
        request: What the interrupt says, see `Nodes.review_pair`.
        attempts: All of the task, since a side may be from an earlier round.
    """

    task: Task
    attempt: Attempt
    request: dict[str, Any]
    attempts: tuple[Attempt, ...]


class Synthesizer:
    """Makes records of tasks.

    Args:
        team: The agents.
        saver: Keeps checkpoints; None works from the journal alone.
        errors: What the saver raises when it cannot write.
        identity: What threads are named after; None is the digest that the team's records carry.

    Attributes:
        left: Threads with checkpoints of an earlier session.
    """

    def __init__(
        self, team: Team, saver: BaseCheckpointSaver[Any] | None = None, errors: tuple[type[Exception], ...] = (),
        identity: str | None = None,
    ) -> None:  # fmt: skip
        self.team = team
        self.left: set[str] = set()
        self._identity = identity or team.recipe_digest
        self._saver = saver
        self._errors = errors
        self._crashes = 0
        self._graph: CompiledStateGraph[Any, Any, Any, Any] = build_graph(team).compile(checkpointer=saver, name="anyprefer")

    async def synthesize(self, task: Task, control: RunControl | None = None) -> PreferenceRecord | None:
        """Work on a task; an unexpected error is tried again from the journal, and then recorded.

        Returns:
            The record, or None where the task waits for a reviewer; its thread stays.

        Raises:
            GraphDrained: The control asked for it; the task's checkpoints stay.
            AnypreferError: The run cannot go on.
            Exception: Many tasks in a row had an unexpected error; the last one's.
        """
        for number in range(1, self.team.recipe.run.max_tries + 1):
            try:
                record = await self._once(task, control)
            except (GraphDrained, AnypreferError):
                raise
            except Exception as error:  # whatever one task does to us must not cost the others
                if isinstance(error, self._errors):
                    raise
                crash = error if isinstance(error, NodeCrashedError) else NodeCrashedError("", error, ())
                logger.error("task %s: unexpected error in try %d", task.id, number, exc_info=crash.error)  # noqa: TRY400
                await self.forget(task)
            else:
                self._crashes = 0
                return record
        self._crashes += 1
        if self._crashes >= MAX_CRASHES:
            raise crash.error
        return await self.fail(task, crash.error, crash.attempts, crash.node)

    async def fail(self, task: Task, error: Exception, attempts: tuple[Attempt, ...] = (), node: str = "") -> PreferenceRecord:
        """The record of a task that an error nobody foresaw has ended, with the best pair made before it."""
        where = " (see run.log)" if self._saver is not None else ""
        failure = failure_of(error, node, where)
        best = best_pair_of(attempts)
        status = "failed" if best is None else "exhausted"
        return await self.team.record(task, attempts, status=status, best_attempt=best, error=failure)

    async def salvage(self, record: PreferenceRecord, error: Exception) -> PreferenceRecord:
        """The record of a task of which an attempt cannot be stored, with those that can."""
        return await self.fail(record.task, error, tuple(one for one in record.attempts if _is_storable(record, one)))

    async def forget(self, task: Task) -> None:
        """Delete a task's checkpoints; what was paid for is in the journal."""
        thread = thread_id(self._identity, task.id)
        self.left.discard(thread)
        if self._saver is not None:
            await self._saver.adelete_thread(thread)

    async def waiting(self, thread: str) -> Waiting | None:
        """What a thread's reviewer is asked; None where it does not wait for one."""
        snapshot = await self._graph.aget_state({"configurable": {"thread_id": thread}})
        if not snapshot.interrupts:
            return None
        state = cast(SynthesisState, snapshot.values)
        attempts = tuple(state["attempts"])
        return Waiting(state["task"], attempts[best_of(attempts)], snapshot.interrupts[0].value, attempts)

    async def decide(self, task_id: str, review: Review) -> PreferenceRecord | None:
        """Go on with a waiting task; None where the review does not fit and the task waits on.

        Raises:
            DataError: It does not wait.
        """
        if await self.waiting(thread_id(self._identity, task_id)) is None:
            raise DataError(f"task {task_id!r} does not wait for a review")
        command: Command[Any] = Command(resume=review.model_dump(mode="json"))
        state = await self._graph.ainvoke(command, self._config(task_id), durability=self.team.recipe.run.durability)
        return None if "__interrupt__" in state else state["record"]

    def _config(self, task_id: str) -> RunnableConfig:
        return {
            "configurable": {"thread_id": thread_id(self._identity, task_id)},
            "recursion_limit": recursion_limit(self.team.recipe), "run_name": "anyprefer",
            "metadata": {"task_id": task_id, "recipe": self.team.recipe.name},
        }  # fmt: skip

    async def _once(self, task: Task, control: RunControl | None) -> PreferenceRecord | None:
        thread, config = thread_id(self._identity, task.id), self._config(task.id)
        options: dict[str, Any] = {"durability": self.team.recipe.run.durability} if self._saver is not None else {}
        start = time.perf_counter()
        with telemetry.span("synthesize", anyprefer__task_id=task.id) as note:
            # A half-finished thread resumes on None; giving the input again would restart it on top of its old state.
            given = None if thread in self.left else {"task": task}
            state = await self._graph.ainvoke(given, config, control=control, **options)
            if "__interrupt__" in state:
                logger.info("task %s: waits for a review", task.id)
                return None
            record: PreferenceRecord = state["record"]
            note(anyprefer__status=record.status, anyprefer__rounds=len(record.attempts))
        seconds = time.perf_counter() - start
        telemetry.count("anyprefer.tasks", status=record.status)
        telemetry.measure("anyprefer.task.duration", seconds, status=record.status)
        logger.info("task %s: %s in %.1f s", task.id, record.status, seconds)
        return record


def thread_id(identity: str, task_id: str) -> str:
    """The LangGraph thread of a task in a run."""
    return str(uuid.uuid5(THREADS, f"{identity}:{task_id}"))


def _is_storable(record: PreferenceRecord, attempt: Attempt) -> bool:
    try:
        record_line(record.model_copy(update={"attempts": (attempt,)}))
    except DataError:
        return False
    return True
