"""The tasks of a run that wait for a reviewer, the decisions on them, and their way back through the graph.

Decisions stand in `reviews.jsonl` at once, the last one for a task counts, and they are applied at the end: until then each can
be taken back, and a crash loses none.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError

from anyprefer.data.run_dir import RunDir
from anyprefer.errors import DataError
from anyprefer.runs.decisions import note_decision, read_decisions
from anyprefer.runs.runner import Runner
from anyprefer.runs.synthesizer import Waiting
from anyprefer.runs.workplace import open_workplace
from anyprefer.types import Review


class Desk:
    """An open run folder with its waiting tasks.

    Attributes:
        items: Waiting tasks, the least certain pairs first (see `doubt_of`).
        decisions: Task id -> decision that is not applied yet.
    """

    def __init__(self, runner: Runner, items: list[Waiting]) -> None:
        self._runner = runner
        self._path = runner.folder.files.reviews
        self.items = items
        decisions, waiting = read_decisions(self._path), {item.task.id for item in items}
        self.decisions = {task_id: review for task_id, review in decisions.items() if task_id in waiting}

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._runner.folder.path

    def decide(self, task_id: str, review: Review) -> None:
        """Note a decision; a second one on the same task replaces it.

        Raises:
            DataError: The task does not wait, or the review does not fit its pair.
        """
        item = self._item(task_id)
        pair = item.attempt.pair
        try:
            if pair is not None:
                review.apply(pair)
        except ValidationError as error:
            raise DataError(f"this edit makes no pair: {error.errors()[0]['msg']}") from error
        note_decision(self._path, task_id, review)
        self.decisions[task_id] = review

    def undo(self, task_id: str) -> None:
        """Take a decision back.

        Raises:
            DataError: The task does not wait.
        """
        self._item(task_id)
        if self.decisions.pop(task_id, None) is not None:
            note_decision(self._path, task_id, None)

    async def apply(self) -> int:
        """Resume every decided task with its decision and keep its record; gives how many.

        Killed in between, the decisions that are left are still there the next time.
        """
        applied = 0
        for item in [item for item in self.items if item.task.id in self.decisions]:
            record = await self._runner.synthesizer.decide(item.task.id, self.decisions[item.task.id])
            if record is None:
                raise DataError(f"the decision on task {item.task.id!r} does not fit its pair: decide again")
            await self._runner.keep(record)
            self.items.remove(item)
            del self.decisions[item.task.id]
            applied += 1
        return applied

    def _item(self, task_id: str) -> Waiting:
        found = next((item for item in self.items if item.task.id == task_id), None)
        if found is None:
            raise DataError(f"task {task_id!r} does not wait for a review")
        return found


@asynccontextmanager
async def open_desk(run_dir: Path, store_url: str | None = None) -> AsyncIterator[Desk]:
    """Take ownership of a run folder and load what waits in it.

    Args:
        run_dir: The folder; no run may work in it.
        store_url: `postgres://...` where its checkpoints are there.

    Raises:
        RunFolderError: It is no run folder, it is in use, or its tasks wait in checkpoints of an earlier format.
        ConfigError: The recipe's prompts, tools or keys are not here.
    """
    async with open_workplace(RunDir(run_dir).read_recipe(), run_dir, store_url) as place:
        await place.check_current()
        runner = Runner(place.team, place.folder, place.store)
        found = [await runner.synthesizer.waiting(thread) for thread in await place.store.threads()]
        least = place.team.recipe.review.certainty
        yield Desk(runner, sorted((item for item in found if item is not None), key=lambda item: doubt_of(item, least)))


def doubt_of(item: Waiting, least: float) -> tuple[int, float, float, str]:
    """What waiting tasks are sorted by: whose pair a person should see first.

    First those with votes that are split, the fewest behind the order first: split votes were wrong more often than none. Then
    those that nobody voted on, and last those that most or all votes stand behind. Of equal ones, the smaller margin comes first;
    a pair without a margin comes before any.

    Args:
        item: A waiting task.
        least: The share of the votes from which a pair counts as certain.
    """
    pair = item.attempt.pair
    certainty = pair.certainty if pair else None
    margin = pair.margin if pair else None
    place = 1 if certainty is None else 0 if certainty < least else 2
    return place, certainty or 0.0, -math.inf if margin is None else margin, item.task.id
