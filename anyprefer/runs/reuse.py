"""Completed calls of another run folder, taken over when they are asked for: they were paid there, and cost nothing here.

The other folder is only read, whatever works in it, wherever it lies. A key says what was asked and where in the run.
"""

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from anyprefer.backends.calls import CallSite, CallStore, StoredCall
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import RunFolderError
from anyprefer.types import RoleUsage


class CallSource(Protocol):
    """The calls of another run."""

    async def find(self, key: str) -> StoredCall | None:
        """A completed call whose reply could be used, without tokens and seconds."""


class ReusingCalls:
    """A `CallStore` that looks into another run's calls for what its own do not have."""

    def __init__(self, own: CallStore, source: CallSource) -> None:
        self.own = own
        self.source = source

    async def get(self, key: str) -> StoredCall | None:
        """See `CallStore.get`; what comes from the other run is kept here as well."""
        call = await self.own.get(key)
        if call is None and (call := await self.source.find(key)) is not None:
            call = replace(call, cost_usd=0.0, reused=True)
            await self.own.put(call)
        return call

    async def put(self, call: StoredCall) -> None:
        """See `CallStore.put`."""
        await self.own.put(call)

    async def mark_bad(self, key: str) -> None:
        """See `CallStore.mark_bad`."""
        await self.own.mark_bad(key)

    async def usage(self, task_id: str) -> dict[str, RoleUsage]:
        """See `CallStore.usage`."""
        return await self.own.usage(task_id)


class FileSource:
    """A `journal.sqlite` that is only read."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            RunFolderError: It cannot be read.
        """
        self._path = path
        self._beside = path.with_name(f"{path.name}-wal")
        """Is there as long as somebody writes."""
        self._copy: TemporaryDirectory[str] | None = None
        self._is_quiet = False
        with self._errors():
            self._db = self._open()

    def close(self) -> None:
        """Close it."""
        self._db.close()
        if self._copy is not None:
            self._copy.cleanup()

    async def find(self, key: str) -> StoredCall | None:
        """See `CallSource.find`."""
        with self._errors():
            if self._is_quiet and self._beside.exists():
                self._db.close()
                self._db = self._open()
            query = "SELECT task_id, role, round, step, kind, reply FROM calls WHERE key = ? AND ok > 0 ORDER BY id DESC LIMIT 1"
            row = self._db.execute(query, (key,)).fetchone()
        return None if row is None else StoredCall(key, CallSite(*row[:4]), row[4], json.loads(row[5]))

    def _open(self) -> sqlite3.Connection:
        """A reader beside a writer shares a file with it, which nobody should have to make where nobody writes, or may."""
        self._is_quiet = not self._beside.exists()
        if self._is_quiet:
            return _connect(self._path, "immutable=1")
        try:
            return _connect(self._path, "mode=ro")
        except sqlite3.OperationalError:
            self._copy = TemporaryDirectory()
            for path in (self._path, self._beside):
                shutil.copy(path, self._copy.name)
            return _connect(Path(self._copy.name, self._path.name), "mode=rw")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, TypeError) as error:
            raise RunFolderError(
                f"cannot read the calls of {str(self._path)!r} ({error}): check that it is the journal of a run folder and may "
                "be read, or leave out --reuse"
            ) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
    try:
        db.execute("SELECT 1 FROM calls LIMIT 1").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


def open_source(folder: Path | None, out: Path, store_url: str | None) -> AbstractAsyncContextManager[CallSource | None]:
    """Open the calls of another run folder; nothing where none is named.

    Args:
        folder: The other one.
        out: The run folder that reuses them.
        store_url: `postgres://...` of this run, where the other one's calls may be as well.

    Raises:
        RunFolderError: There are no calls that can be read.
    """
    if folder is None:
        return nullcontext()
    files = RunDir(folder)
    if folder.resolve() == out.resolve():
        raise RunFolderError(f"--reuse {str(folder)!r} is the run folder itself: leave it out, its calls are never asked again")
    if files.store.exists():
        if store_url is None:
            raise RunFolderError(
                f"--reuse {str(folder)!r}: its calls are in Postgres, and only a run with --store of the same database can take "
                "them over"
            )
        from anyprefer.runs.postgres import open_calls

        return open_calls(store_url, files.read_schema())
    if not files.journal.exists():
        raise RunFolderError(f"--reuse {str(folder)!r} has no {files.journal.name}: give the folder of a run")
    return _open_file(files.journal)


@asynccontextmanager
async def _open_file(path: Path) -> AsyncIterator[CallSource]:
    with closing(FileSource(path)) as source:
        yield source
