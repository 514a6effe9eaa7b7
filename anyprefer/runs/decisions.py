"""Reviewers' decisions as `reviews.jsonl` keeps them: a line for each, the last one for a task counts."""

import json
import time
from pathlib import Path

from pydantic import BaseModel

from anyprefer.errors import RunFolderError
from anyprefer.types import Review


class Entry(BaseModel):
    """A line of `reviews.jsonl`."""

    task_id: str
    review: Review | None
    """None takes the last decision back."""
    time: float
    """Seconds since the epoch."""


def note_decision(path: Path, task_id: str, review: Review | None) -> None:
    """Add a line."""
    entry = Entry(task_id=task_id, review=review, time=time.time())
    with path.open("a", encoding="utf-8") as file:
        file.write(entry.model_dump_json() + "\n")


def read_decisions(path: Path) -> dict[str, Review]:
    """Task id -> the decision in force, applied or not.

    Raises:
        RunFolderError: A line is no decision.
    """
    found: dict[str, Review] = {}
    if not path.exists():
        return found
    # A text may hold other signs that end a line, such as U+2028, which JSON leaves as they are.
    for number, line in enumerate(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"), 1):
        try:
            entry = Entry.model_validate(json.loads(line))
        except ValueError as error:
            if not line.endswith("}"):
                continue  # the line that a crash cut off
            raise RunFolderError(f"{str(path)!r}, line {number}: {error}; remove the line to go on") from error
        found.pop(entry.task_id, None)
        if entry.review is not None:
            found[entry.task_id] = entry.review
    return found
