"""The durable call store: one SQLite file that holds every completed model and tool call of a run.

WAL with synchronous NORMAL: a commit survives SIGKILL at any moment; a power cut may lose the last ones but corrupts nothing.
Rows are only ever added, so a call that was paid twice would show as two rows with one key (`repeated`).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyprefer.backends.calls import CallSite, StoredCall
from anyprefer.errors import RunFolderError
from anyprefer.types import RoleUsage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    task_id TEXT NOT NULL,
    role TEXT NOT NULL,
    round INTEGER NOT NULL,
    step TEXT NOT NULL,
    reply TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    ok INTEGER NOT NULL DEFAULT 1,
    cost_usd REAL,
    reused INTEGER NOT NULL DEFAULT 0,
    estimated INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS calls_by_key ON calls (key);
CREATE INDEX IF NOT EXISTS calls_by_task ON calls (task_id);
"""

_LATER = {"cost_usd": "REAL", "reused": "INTEGER NOT NULL DEFAULT 0", "estimated": "INTEGER NOT NULL DEFAULT 0"}
"""Columns that journals of earlier code do not have."""


class Journal:
    """A `CallStore` in a file; also answers what a run has cost.

    Args:
        path: The file; made where there is none.

    Raises:
        RunFolderError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            # Writes are single small commits without fsync, so they stay on the event loop's thread.
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
            known = {row[1] for row in self._db.execute("PRAGMA table_info(calls)")}
            for name in _LATER.keys() - known:
                self._db.execute(f"ALTER TABLE calls ADD COLUMN {name} {_LATER[name]}")
            self._totals = self._usage()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    async def get(self, key: str) -> StoredCall | None:
        """See `CallStore.get`."""
        row = self._one(
            "SELECT key, task_id, role, round, step, kind, reply, prompt_tokens, completion_tokens, seconds, cost_usd, reused "
            "FROM calls WHERE key = ? AND ok >= 0 ORDER BY id DESC LIMIT 1",
            (key,),
        )
        if row is None:
            return None
        prompt_tokens, completion_tokens, seconds, cost_usd, reused = row[7:]
        site, reply = CallSite(*row[1:5]), json.loads(row[6])
        return StoredCall(row[0], site, row[5], reply, prompt_tokens, completion_tokens, seconds, cost_usd, bool(reused))

    async def put(self, call: StoredCall) -> None:
        """See `CallStore.put`.

        Raises:
            RunFolderError: The file cannot be written.
        """
        site = call.site
        values = (
            call.key, call.kind, site.task_id, site.role, site.round, site.step, json.dumps(call.reply, ensure_ascii=False),
            call.prompt_tokens, call.completion_tokens, call.seconds, call.cost_usd, call.reused, call.estimated,
        )  # fmt: skip
        columns = "key, kind, task_id, role, round, step, reply, prompt_tokens, completion_tokens, seconds, cost_usd, "
        columns += "reused, estimated"
        with self._errors():
            self._db.execute(f"INSERT INTO calls ({columns}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608 - constants
        if call.kind == "model":
            self._totals[site.role] = self._totals.get(site.role, RoleUsage()) + call.usage

    async def mark_bad(self, key: str) -> None:
        """Set `ok` to 0: the reply is still the call's reply until `forget_bad` lets a retry ask again."""
        with self._errors():
            self._db.execute("UPDATE calls SET ok = 0 WHERE key = ? AND ok > 0", (key,))

    async def count(self, task_id: str) -> int:
        """Completed calls of a task."""
        row = self._one("SELECT count(*) FROM calls WHERE task_id = ?", (task_id,))
        return int(row[0])

    async def forget_bad(self, task_ids: Iterable[str]) -> None:
        """Let these tasks ask again where a reply could not be used; the old rows stay and count as cost."""
        with self._errors():
            self._db.executemany("UPDATE calls SET ok = -1 WHERE task_id = ? AND ok = 0", [(task_id,) for task_id in task_ids])

    async def totals(self) -> dict[str, RoleUsage]:
        """Cost of the whole run by role; kept up to date, so that it may be asked for often."""
        return dict(self._totals)

    async def usage(self, task_id: str) -> dict[str, RoleUsage]:
        """Cost of one task by role."""
        return self._usage(task_id)

    def _usage(self, task_id: str | None = None) -> dict[str, RoleUsage]:
        where, values = ("", ()) if task_id is None else (" AND task_id = ?", (task_id,))
        with self._errors():
            rows = self._db.execute(
                "SELECT role, count(*), sum(prompt_tokens), sum(completion_tokens), sum(seconds), "  # noqa: S608 - constants
                "CASE WHEN count(cost_usd) = count(*) THEN sum(cost_usd) END, sum(estimated) FROM calls "
                f"WHERE kind = 'model'{where} GROUP BY role ORDER BY min(id)",
                values,
            ).fetchall()
        names = ("calls", "prompt_tokens", "completion_tokens", "seconds", "cost_usd", "estimated")
        return {role: RoleUsage(**dict(zip(names, numbers, strict=True))) for role, *numbers in rows}

    async def repeated(self) -> int:
        """How many completed model calls were made again although their reply could be used; 0 unless something is wrong."""
        row = self._one("SELECT count(*) - count(DISTINCT key) FROM calls WHERE kind = 'model' AND ok >= 0", ())
        return int(row[0]) if row else 0

    async def reused(self) -> int:
        """How many completed model calls were taken over from another run."""
        return int(self._one("SELECT count(*) FROM calls WHERE kind = 'model' AND reused", ())[0])

    def _one(self, query: str, values: tuple[Any, ...]) -> Any:
        with self._errors():
            return self._db.execute(query, values).fetchone()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RunFolderError(
                f"cannot use {str(self.path)!r}: {error}; free disk space or check the folder's permissions and run the same "
                "command again, what was finished stays"
            ) from error
