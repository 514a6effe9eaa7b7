"""The tasks of a session against those that a run folder has records of: none is taken as done that has changed since.

Comparing takes a look at every task. Most sessions have the very tasks of the session before, which one digest over all of them
says, so that most of them compare nothing.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from pydantic_core import PydanticSerializationError

from anyprefer.data.quoting import brief
from anyprefer.data.task_digest import changed_parts, digest_task
from anyprefer.data.tasks import ReadTask
from anyprefer.errors import RunFolderError
from anyprefer.runs.synthesizer import thread_id
from anyprefer.runs.workplace import Workplace
from anyprefer.types import Task

Resolution = Literal["keep", "redo"]
"""What becomes of the records of changed tasks: they stay as they are, or the tasks are done again."""

NAMED = 5
"""Tasks that a message names."""


class TasksDigest:
    """One digest over the tasks that are read, in their order."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, task: Task) -> None:
        """Take in a task."""
        try:
            text = task.model_dump_json().encode()
        except PydanticSerializationError:
            text = repr(task).encode("utf-8", "backslashreplace")
        self._hash.update(b"%d " % len(text) + text)

    def reader(self, read: ReadTask) -> ReadTask:
        """A reader that takes in every task that it makes."""

        def read_and_add(*args: Any, **kwargs: Any) -> Task:
            task = read(*args, **kwargs)
            self.add(task)
            return task

        return read_and_add

    def hexdigest(self) -> str:
        """32 hexadecimal digits."""
        return self._hash.hexdigest()


@dataclass
class TaskChanges:
    """How the tasks of a session differ from those that a folder knows."""

    changed: dict[str, list[str]] = field(default_factory=dict)
    """Finished tasks that say something else now -> which parts of them do."""
    missing: set[str] = field(default_factory=set)
    """Finished tasks that are not among them."""
    begun: set[str] = field(default_factory=set)
    """Unfinished tasks that say something else than when they were begun."""

    def lines(self) -> list[str]:
        """For a person: how many finished tasks there are of each kind, and the first few."""
        changed = [f"{brief(one)} ({', '.join(parts)})" for one, parts in islice(self.changed.items(), NAMED)]
        missing = [brief(one) for one in sorted(self.missing)[:NAMED]]
        kinds = ((len(self.changed), "changed since", changed), (len(self.missing), "not given any more", missing))
        return [
            f"  {_count(number, 'finished')} {what}: {', '.join(names)}{', ...' * (number > NAMED)}"
            for number, what, names in kinds
            if number
        ]


async def resolve_changes(
    place: Workplace, tasks: Iterable[Task], digest: str, *, is_whole: bool, resolution: Resolution | None
) -> int:
    """See that no record is taken for that of a task which has changed since; asks no model.

    Args:
        place: The run folder, open.
        tasks: Of the session; read only where they are not those of the session before.
        digest: Of all of them.
        is_whole: Whether they are all there are, so that a record of another task is of one that is there no more.
        resolution: What becomes of records of changed tasks; those of tasks that are missing stay in any case.

    Returns:
        How many records are of none of these tasks.

    Raises:
        RunFolderError: Tasks have changed or are missing, and nobody said what is to become of their records.
    """
    index = place.folder.index
    others = index.others(digest)
    if others is not None:
        return others
    found, others = await _compare(place, tasks)
    if not is_whole:
        found.missing.clear()
    if (found.changed or found.missing) and resolution is None:
        raise RunFolderError(_question(place, found))
    await place.store.forget_records(None)  # a cluster's are not compared
    if found.changed and resolution == "redo":
        await place.revise(lambda record: None if record.task.id in found.changed else record)
        aside = place.folder.files.aside.name
        place.note(f"doing {_count(len(found.changed), 'changed')} again; the records up to now go to {aside}")
        found.changed.clear()
    if found.begun:
        await place.restart(found.begun)
        place.note(f"beginning {_count(len(found.begun), 'unfinished')} anew, which changed since")
    if found.changed or found.missing:
        place.note("\n".join(["records of other tasks than the given ones, which stay as they are:", *found.lines()]))
    else:
        index.note_checked(digest, others)
    return others


async def _compare(place: Workplace, tasks: Iterable[Task]) -> tuple[TaskChanges, int]:
    index, found = place.folder.index, TaskChanges()
    left, threads = index.done(), await place.store.threads()
    for task in tasks if left or threads else ():
        before = index.content(task.id)
        if before is not None:
            left.discard(task.id)
            now = digest_task(task)
            if now != before:
                found.changed[task.id] = changed_parts(before, now)
        elif threads and (thread := thread_id(place.folder.identity, task.id)) in threads:
            begun = await place.task_of(thread)
            if begun is not None and digest_task(begun) != digest_task(task):
                found.begun.add(task.id)
    found.missing = left
    return found, len(left)


def _question(place: Workplace, found: TaskChanges) -> str:
    redo = f", --changed-tasks redo to do changed tasks again (their records go to {place.folder.files.aside.name})"
    return "\n".join(
        [
            f"run folder {str(place.folder.path)!r} has records of other tasks than the given ones:",
            *found.lines(),
            f"give --changed-tasks keep to leave these records as they are{redo if found.changed else ''}, or give another --out",
        ]
    )


def _count(number: int, kind: str) -> str:
    return f"{number:,} {kind} task{'' if number == 1 else 's'}"
