"""Where a run keeps its journal and its checkpoints: SQLite files in the run folder, or a Postgres database.

Records, index and lock are always files of the run folder, which one process owns; the store is what several may share.
"""

import sqlite3
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from anyprefer.backends.calls import CallStore
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import ConfigError, RunFolderError
from anyprefer.graph.state import state_serializer
from anyprefer.runs.journal import Journal
from anyprefer.types import RoleUsage


class RunJournal(CallStore, Protocol):
    """A call store that also knows what a run has cost."""

    async def count(self, task_id: str) -> int:
        """Completed calls of a task."""

    async def forget_bad(self, task_ids: Iterable[str]) -> None:
        """Let these tasks ask again where a reply could not be used; the old rows stay and count as cost."""

    async def totals(self) -> dict[str, RoleUsage]:
        """Cost of the whole run, by role."""

    async def repeated(self) -> int:
        """How many completed model calls were made again although their reply could be used; 0 unless something is wrong."""

    async def reused(self) -> int:
        """How many completed model calls were taken over from another run."""


class Store(Protocol):
    """An open store."""

    @property
    def journal(self) -> RunJournal:
        """Completed calls."""

    @property
    def saver(self) -> BaseCheckpointSaver[Any]:
        """Checkpoints of unfinished tasks."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the checkpointer raises when it cannot write."""

    async def threads(self) -> set[str]:
        """The threads that have checkpoints."""

    async def forget_records(self, task_ids: Collection[str] | None) -> None:
        """Drop what a cluster keeps of these tasks' records, None of all, so that they can be done again."""

    def explain(self, error: Exception) -> RunFolderError:
        """Say what such an error means and what to do."""


@dataclass(frozen=True)
class SqliteStore:
    """`journal.sqlite` and `checkpoints.sqlite` in the run folder."""

    files: RunDir
    journal: Journal
    saver: AsyncSqliteSaver
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    async def threads(self) -> set[str]:
        """See `Store.threads`."""
        rows = await self.saver.conn.execute_fetchall("SELECT DISTINCT thread_id FROM checkpoints")
        return {row[0] for row in rows}

    async def forget_records(self, task_ids: Collection[str] | None) -> None:
        """Nothing to drop: a cluster works with a database alone."""

    def explain(self, error: Exception) -> RunFolderError:
        """See `Store.explain`."""
        return RunFolderError(
            f"cannot write checkpoints in {str(self.files.path)!r}: {error}; free disk space and run the same command again, "
            "what was finished stays"
        )


def open_store(url: str | None, folder: Path, digest: str) -> AbstractAsyncContextManager[Store]:
    """Open the store of a run.

    Args:
        url: `postgres://...`, or None for files in the folder.
        folder: The run folder.
        digest: Of the recipe; separates the runs of one database.

    Raises:
        ConfigError: The URL is of no known kind.
        RunFolderError: The store cannot be opened.
    """
    if url is None:
        return _open_sqlite(RunDir(folder))
    if url.partition("://")[0] not in ("postgres", "postgresql"):
        raise ConfigError(f"unknown store {url.partition('://')[0]!r}: give a URL that begins with postgres://, or none")
    from anyprefer.runs.postgres import open_postgres

    return open_postgres(url, folder, digest)


@asynccontextmanager
async def _open_sqlite(files: RunDir) -> AsyncIterator[Store]:
    if files.store.exists():
        raise RunFolderError(
            f"run folder {str(files.path)!r} keeps its journal in Postgres: give its URL with --store or ANYPREFER_STORE"
        )
    journal = Journal(files.journal)
    try:
        async with AsyncSqliteSaver.from_conn_string(str(files.checkpoints)) as saver:
            saver.serde = state_serializer()
            await saver.setup()
            # The default, FULL, syncs the disk 30 times a task; the journal keeps what was paid for in any case.
            await saver.conn.execute("PRAGMA synchronous = NORMAL")
            yield SqliteStore(files, journal, saver)
    finally:
        journal.close()
