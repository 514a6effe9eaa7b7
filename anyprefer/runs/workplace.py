"""A run folder, opened for work: its owner, its store and the team that works in it, whoever asks for it."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from anyprefer.agents.library import load_prompts, prompt_hashes
from anyprefer.agents.team import Team, build_team
from anyprefer.backends.budget import Budget
from anyprefer.backends.calls import CallStore
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.data.records import Change
from anyprefer.errors import RunFolderError
from anyprefer.runs.changes import judge_again
from anyprefer.runs.decisions import note_decision, read_decisions
from anyprefer.runs.folder import RunFolder, is_cut_short
from anyprefer.runs.progress import Progress
from anyprefer.runs.reuse import ReusingCalls, open_source
from anyprefer.runs.stores import Store, open_store
from anyprefer.runs.synthesizer import thread_id
from anyprefer.types import PreferenceRecord, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workplace:
    """What is open while a process works in a run folder."""

    folder: RunFolder
    store: Store
    backends: Backends
    team: Team
    """Its records carry the folder's digest."""
    progress: Progress | None = None
    """Takes lines for a person about what changes in the folder."""

    async def modernize(self) -> None:
        """Make a folder of an earlier format one of the present.

        Its checkpoints hold values of other shapes, which nothing revives, so they go. The journal has every completed call: the
        unfinished tasks go on from there, and no call is paid again.
        """
        if self.folder.is_current:
            return
        threads = await self.store.threads()
        await self._drop_threads(threads)
        self.folder.mark_current()
        logger.info("run folder of an earlier format: %d unfinished tasks go on from the journal", len(threads))

    async def check_current(self) -> None:
        """See that what waits in the folder can be gone on with.

        Raises:
            RunFolderError: It waits in checkpoints of an earlier format.
        """
        if not self.folder.is_current and await self.store.threads():
            raise RunFolderError(
                f"{str(self.folder.path)!r} was made by earlier code: run its `anyprefer run` command once more, which asks no "
                "completed call again, then review"
            )

    async def settle(self) -> None:
        """Bring records and checkpoints into line with a recipe that the folder took on.

        Killed at any moment, the next session does what is left: the lock says what that is.
        """
        folder, pending = self.folder, self.folder.pending
        if not pending:
            return
        before = folder.index.tally().statuses
        await self.store.forget_records(None)
        if "failed" in pending:
            await self._forget_bad_replies()
        await self.revise(self._settled)
        done = {thread_id(folder.identity, task_id) for task_id in folder.index.done()}
        await self._drop_threads(await self.store.threads() - done)
        folder.mark_settled()
        after = folder.index.tally().statuses
        if "records" in pending and before:
            changes = [
                f"{before[name]} -> {after[name]} {name}" for name in sorted({*before, *after}) if before[name] != after[name]
            ]
            opened = before.total() - after.total()
            going_on = f"; {opened} task{'' if opened == 1 else 's'} to go on" * bool(opened)
            self.note(f"records judged again: {', '.join(changes) or 'all stay as they are'}{going_on}")

    async def retry_failed(self) -> None:
        """Let the tasks that an error ended be done again, and ask again where a reply could not be used."""
        if await self._forget_bad_replies():
            await self.revise(lambda record: None if is_cut_short(record) else record)

    async def revise(self, change: Change) -> None:
        """Write the records anew as `change` has them; a task whose record is left out is done again, from its start."""
        gone = {record.task.id for record in self.folder.records if change(record) is None}
        await self.restart(gone)
        self.folder.rewrite(change)

    async def restart(self, task_ids: set[str]) -> None:
        """Forget how far these tasks have come; decisions about their pairs are taken back."""
        await self.store.forget_records(task_ids)
        await self._drop_threads({thread_id(self.folder.identity, one) for one in task_ids} & await self.store.threads())
        reviews = self.folder.files.reviews
        for task_id in read_decisions(reviews).keys() & task_ids:
            note_decision(reviews, task_id, None)

    async def task_of(self, thread: str) -> Task | None:
        """The task that an unfinished thread is about; None where it has not begun."""
        found = await self.store.saver.aget_tuple({"configurable": {"thread_id": thread}})
        return found.checkpoint["channel_values"].get("task") if found else None

    def note(self, line: str) -> None:
        """Say a line, and log it."""
        if self.progress is not None:
            self.progress.say(line)
        logger.info("%s", line)

    def _settled(self, record: PreferenceRecord) -> PreferenceRecord | None:
        if "failed" in self.folder.pending and is_cut_short(record):
            return None
        if "records" in self.folder.pending:
            return judge_again(record, self.team.recipe, self.folder.digest, self.team.verifiers)
        return record

    async def _forget_bad_replies(self) -> int:
        """Gives how many tasks an error ended."""
        failed = [record.task.id for record in self.folder.records if is_cut_short(record)]
        await self.store.journal.forget_bad(failed)
        logger.info("trying %d tasks again that an error ended", len(failed))
        return len(failed)

    async def _drop_threads(self, threads: set[str]) -> None:
        for thread in threads:
            await self.store.saver.adelete_thread(thread)


@asynccontextmanager
async def open_workplace(
    recipe: Recipe, path: Path, store_url: str | None = None, *, budget: Budget | None = None, retry_failed: bool = False,
    reuse: Path | None = None, progress: Progress | None = None,
) -> AsyncIterator[Workplace]:  # fmt: skip
    """Take ownership of a run folder, settle what it holds, and assemble the team; models connect on first use.

    Args:
        recipe: What is run.
        path: The run folder; made where there is none.
        store_url: `postgres://...` where journal and checkpoints are there; None keeps them in the folder.
        budget: What the models may cost.
        retry_failed: Whether tasks that an error ended are about to be done again, so that their records hold up no change.
        reuse: A run folder whose completed calls need not be paid again.
        progress: Shows weights being fetched, and says what changes in the folder.

    Raises:
        RunFolderError: The folder is in use, or belongs to another recipe; or there is nothing to reuse.
        ConfigError: The recipe's prompts, tools or keys are not here.
    """
    fetching = progress.fetching if progress else None
    async with Backends(recipe, fetching, budget) as backends, open_source(reuse, path, store_url) as source:
        folder = RunFolder(path, recipe, prompt_hashes(load_prompts(recipe)), retry_failed=retry_failed)
        backends.known.remember(folder.files.capabilities)
        try:
            async with open_store(store_url, path, folder.identity) as store:
                calls: CallStore = ReusingCalls(store.journal, source) if source else store.journal
                team = replace(build_team(recipe, backends, calls), recipe_digest=folder.digest)
                try:
                    place = Workplace(folder, store, backends, team, progress)
                    if folder.news:
                        place.note(folder.news)
                    await place.settle()
                    yield place
                finally:
                    await team.toolbox.aclose()
        finally:
            folder.close()
