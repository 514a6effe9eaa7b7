"""Journal and checkpoints in Postgres: one schema per run, so that runs share a database and nothing else.

Several processes may open the same run side by side (workers of a cluster); `own=True` refuses a second one instead. A run that
is no longer needed goes away with `DROP SCHEMA ... CASCADE`; its name stands in `store.json` of the run folder.
"""

import asyncio
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anyprefer.backends.calls import CallSite, StoredCall
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import ConfigError, RunFolderError
from anyprefer.graph.state import state_serializer
from anyprefer.types import RoleUsage

try:
    import psycopg
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg import sql
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool, PoolTimeout
except ImportError as missing:
    raise ConfigError(
        f"a Postgres store needs {(missing.name or 'psycopg').partition('.')[0]}: pip install 'anyprefer[postgres]'"
    ) from None

CONNECTIONS = 8
"""Connections of one process; each serves one statement at a time, and statements take a millisecond or so."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    task_id TEXT NOT NULL,
    role TEXT NOT NULL,
    round INTEGER NOT NULL,
    step TEXT NOT NULL,
    reply TEXT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    ok SMALLINT NOT NULL DEFAULT 1,
    cost_usd DOUBLE PRECISION
);
ALTER TABLE calls ADD COLUMN IF NOT EXISTS reused BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE calls ADD COLUMN IF NOT EXISTS estimated BOOLEAN NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS calls_by_key ON calls (key);
CREATE INDEX IF NOT EXISTS calls_by_task ON calls (task_id);
"""
_COLUMNS = "key, task_id, role, round, step, kind, reply, prompt_tokens, completion_tokens, seconds, cost_usd, reused, estimated"

Pool = AsyncConnectionPool[psycopg.AsyncConnection[dict[str, Any]]]


@dataclass(frozen=True)
class PostgresStore:
    """See `anyprefer.runs.stores.Store`."""

    journal: "PostgresJournal"
    saver: AsyncPostgresSaver
    errors: tuple[type[Exception], ...] = (psycopg.Error, PoolTimeout)

    async def threads(self) -> set[str]:
        """See `Store.threads`."""
        return {row["thread_id"] for row in await self.journal.rows("SELECT DISTINCT thread_id FROM checkpoints")}

    async def forget_records(self, task_ids: Collection[str] | None) -> None:
        """See `Store.forget_records`."""
        if (await self.journal.rows("SELECT to_regclass('records') AS name"))[0]["name"] is None:
            return
        if task_ids is None:
            await self.journal.rows("DELETE FROM records")
        else:
            keys = [json.dumps(task_id) for task_id in task_ids]
            await self.journal.rows("DELETE FROM records WHERE task_id = ANY(%s)", (keys,))

    def explain(self, error: Exception) -> RunFolderError:
        """See `Store.explain`."""
        return _explain(error)


class PostgresJournal:
    """A `RunJournal` in Postgres. What it knows of totals is what this process has seen since `refresh`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._totals: dict[str, RoleUsage] = {}

    async def rows(self, query: str, values: Iterable[Any] = ()) -> list[dict[str, Any]]:
        """Run one statement.

        Raises:
            RunFolderError: The database cannot be used.
        """
        try:
            async with self.pool.connection() as connection:
                cursor = await connection.execute(query, tuple(values))
                return await cursor.fetchall() if cursor.description else []
        except (psycopg.Error, PoolTimeout) as error:
            raise _explain(error) from error

    async def get(self, key: str) -> StoredCall | None:
        """See `CallStore.get`."""
        query = f"SELECT {_COLUMNS} FROM calls WHERE key = %s AND ok >= 0 ORDER BY id DESC LIMIT 1"  # noqa: S608 - constants
        rows = await self.rows(query, (key,))
        if not rows:
            return None
        numbers = {name: rows[0][name] for name in ("prompt_tokens", "completion_tokens", "seconds", "cost_usd", "reused")}
        return replace(_read_call(rows[0]), **numbers)

    async def put(self, call: StoredCall) -> None:
        """See `CallStore.put`."""
        site = call.site
        # JSON writes a NUL as an escape, so ids and replies survive as they are.
        values = (
            call.key, json.dumps(site.task_id), site.role, site.round, site.step, call.kind, json.dumps(call.reply),
            call.prompt_tokens, call.completion_tokens, call.seconds, call.cost_usd, call.reused, call.estimated,
        )  # fmt: skip
        places = ", ".join(["%s"] * len(values))
        await self.rows(f"INSERT INTO calls ({_COLUMNS}) VALUES ({places})", values)  # noqa: S608 - constants
        if call.kind == "model":
            self._totals[site.role] = self._totals.get(site.role, RoleUsage()) + call.usage

    async def mark_bad(self, key: str) -> None:
        """See `CallStore.mark_bad`."""
        await self.rows("UPDATE calls SET ok = 0 WHERE key = %s AND ok > 0", (key,))

    async def forget_bad(self, task_ids: Iterable[str]) -> None:
        """See `RunJournal.forget_bad`."""
        for task_id in task_ids:
            await self.rows("UPDATE calls SET ok = -1 WHERE task_id = %s AND ok = 0", (json.dumps(task_id),))

    async def count(self, task_id: str) -> int:
        """See `RunJournal.count`."""
        rows = await self.rows("SELECT count(*) AS number FROM calls WHERE task_id = %s", (json.dumps(task_id),))
        return int(rows[0]["number"])

    async def usage(self, task_id: str) -> dict[str, RoleUsage]:
        """See `CallStore.usage`."""
        return await self._usage(" AND task_id = %s", (json.dumps(task_id),))

    async def totals(self) -> dict[str, RoleUsage]:
        """See `RunJournal.totals`."""
        return dict(self._totals)

    async def refresh(self) -> None:
        """Take in what other processes have done."""
        self._totals = await self._usage()

    async def repeated(self) -> int:
        """See `RunJournal.repeated`."""
        query = "SELECT count(*) - count(DISTINCT key) AS number FROM calls WHERE kind = 'model' AND ok >= 0"
        return int((await self.rows(query))[0]["number"])

    async def reused(self) -> int:
        """See `RunJournal.reused`."""
        return int((await self.rows("SELECT count(*) AS number FROM calls WHERE kind = 'model' AND reused"))[0]["number"])

    async def _usage(self, where: str = "", values: tuple[Any, ...] = ()) -> dict[str, RoleUsage]:
        rows = await self.rows(
            "SELECT role, count(*) AS calls, sum(prompt_tokens)::bigint AS prompt_tokens, "  # noqa: S608 - constants
            "sum(completion_tokens)::bigint AS completion_tokens, sum(seconds) AS seconds, "
            "CASE WHEN count(cost_usd) = count(*) THEN sum(cost_usd) END AS cost_usd, "
            "count(*) FILTER (WHERE estimated) AS estimated FROM calls "
            f"WHERE kind = 'model'{where} GROUP BY role ORDER BY min(id)",
            values,
        )
        return {row.pop("role"): RoleUsage(**row) for row in rows}


@dataclass(frozen=True)
class PostgresSource:
    """The calls of another run's schema; see `anyprefer.runs.reuse.CallSource`."""

    journal: PostgresJournal

    async def find(self, key: str) -> StoredCall | None:
        """See `CallSource.find`."""
        query = (
            "SELECT key, task_id, role, round, step, kind, reply FROM calls WHERE key = %s AND ok > 0 ORDER BY id DESC LIMIT 1"
        )
        rows = await self.journal.rows(query, (key,))
        return _read_call(rows[0]) if rows else None


@asynccontextmanager
async def open_calls(url: str, schema: str) -> AsyncIterator[PostgresSource]:
    """Open the calls of another run for reading, whatever works on it.

    Raises:
        RunFolderError: The database cannot be reached, or has no such schema.
    """
    try:
        async with _pool(url, schema) as pool:
            journal = PostgresJournal(pool)
            await journal.rows("SELECT 1 FROM calls LIMIT 1")
            yield PostgresSource(journal)
    except (psycopg.Error, PoolTimeout) as error:
        raise _explain(error) from error


@asynccontextmanager
async def open_postgres(url: str, folder: Path, digest: str, *, own: bool = True) -> AsyncIterator[PostgresStore]:
    """Open the schema of a run folder, making it where there is none.

    Args:
        url: `postgres://...`.
        folder: The run folder; remembers the schema.
        digest: Of the recipe; part of a new schema's name.
        own: Refuse to open it where another process owns it.

    Raises:
        RunFolderError: The database cannot be reached, or another process works on the run.
    """
    async with open_schema(url, schema_of(folder, digest), own=own) as store:
        yield store


@asynccontextmanager
async def open_schema(url: str, schema: str, *, own: bool) -> AsyncIterator[PostgresStore]:
    """Likewise, for a schema whose name is known."""
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True, application_name=_who()) as owner:
            if own:
                await _claim(owner, schema)
            await _create(owner, schema)
            async with _pool(url, schema) as pool:
                saver = AsyncPostgresSaver(pool, serde=state_serializer())
                # The saver holds one lock around every statement, pool or not (langgraph issue 7259); the pool is the real limit.
                saver.lock = asyncio.Semaphore(CONNECTIONS)  # type: ignore[assignment]
                journal = PostgresJournal(pool)
                await journal.refresh()
                yield PostgresStore(journal, saver)
    except (psycopg.Error, PoolTimeout) as error:
        raise _explain(error) from error


def schema_of(folder: Path, digest: str) -> str:
    """The schema of a run folder, from `store.json`; made up and written down at the first time."""
    files = RunDir(folder)
    if files.store.exists():
        return files.read_schema()
    if files.journal.exists():
        raise RunFolderError(
            f"run folder {str(folder)!r} keeps its journal in a file: run it without --store (and ANYPREFER_STORE), or give "
            "another --out"
        )
    schema = f"anyprefer_{digest[:12]}_{secrets.token_hex(4)}"
    files.store.write_text(json.dumps({"schema": schema}) + "\n", encoding="utf-8")
    return schema


def _pool(url: str, schema: str) -> Pool:
    options = {
        "autocommit": True, "prepare_threshold": 0, "row_factory": dict_row, "application_name": _who(),
        "options": f"-c search_path={schema}",
    }  # fmt: skip
    return AsyncConnectionPool(
        url, min_size=1, max_size=CONNECTIONS, open=False, kwargs=options, check=AsyncConnectionPool.check_connection, timeout=30
    )


async def _claim(owner: "psycopg.AsyncConnection[Any]", schema: str) -> None:
    """Take the run's advisory lock, which the server drops when this connection ends, however it ends."""
    taken = await (await owner.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (schema,))).fetchone()
    if taken and taken[0]:
        return
    query = (
        "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.objid = (hashtext(%s)::bigint & 4294967295)::oid"
    )
    who = await (await owner.execute(query, (schema,))).fetchone()
    raise RunFolderError(
        f"the run's store {schema!r} is in use by {who[0] if who else 'another process'}: wait for it or stop it"
    )


async def _create(owner: "psycopg.AsyncConnection[Any]", schema: str) -> None:
    """Make schema and tables; several processes may come here at the same time."""
    await owner.execute("SELECT pg_advisory_lock(hashtext(%s))", (f"create {schema}",))
    try:
        await owner.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        await owner.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        for statement in _SCHEMA.strip().split(";\n"):
            await owner.execute(statement.encode())
        owner.row_factory = dict_row
        await AsyncPostgresSaver(owner).setup()
    finally:
        await owner.execute("SELECT pg_advisory_unlock(hashtext(%s))", (f"create {schema}",))


def _read_call(row: dict[str, Any]) -> StoredCall:
    site = CallSite(json.loads(row["task_id"]), row["role"], row["round"], row["step"])
    return StoredCall(key=row["key"], site=site, kind=row["kind"], reply=json.loads(row["reply"]))


def _who() -> str:
    return f"anyprefer process {os.getpid()} on {socket.gethostname()}"


def _explain(error: Exception) -> RunFolderError:
    first = str(error).strip().partition("\n")[0]
    return RunFolderError(
        f"cannot use the Postgres store ({type(error).__name__}: {first}): check that the server is up and the URL is right, "
        "then run the same command again, what was finished stays"
    )
