"""The calls that took longest and cost most, from the run's journal."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from anyprefer.data.run_dir import RunDir
from anyprefer.errors import RunFolderError

SHOWN = 10
"""Calls in each table."""


@dataclass(frozen=True)
class Call:
    """One completed call."""

    task_id: str
    role: str
    round: int
    step: str
    kind: str
    """`model` or `tool`."""
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


@dataclass(frozen=True)
class Calls:
    """What the journal says."""

    slowest: Sequence[Call]
    dearest: Sequence[Call]
    """By price where every model call has one above 0, else by tokens."""
    by_price: bool


def read_calls(run_dir: Path) -> Calls | None:
    """The calls that stand out; None where the journal is not a file of the folder, but in a database.

    Raises:
        RunFolderError: The journal cannot be read.
    """
    path = RunDir(run_dir).journal
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            known = {row[1] for row in db.execute("PRAGMA table_info(calls)")}
            cost = "cost_usd" if "cost_usd" in known else "NULL"  # a journal from before prices were kept
            query = f"SELECT count(*) FILTER (WHERE {cost} > 0), count(*) FROM calls WHERE kind = 'model'"  # noqa: S608 - constants
            priced, models = db.execute(query).fetchone()
            by_price = 0 < priced == models
            dearest = _top(db, cost, cost if by_price else "prompt_tokens + completion_tokens", "kind = 'model'")
            return Calls(_top(db, cost, "seconds"), dearest, by_price)
    except sqlite3.Error as error:
        raise RunFolderError(f"cannot read {str(path)!r}: {error}; check the file's permissions, or leave it out") from error


def _top(db: sqlite3.Connection, cost: str, order: str, where: str = "1") -> list[Call]:
    names = "task_id, role, round, step, kind, seconds, prompt_tokens, completion_tokens"
    query = f"SELECT {names}, {cost} FROM calls WHERE {where} ORDER BY {order} DESC, id LIMIT {SHOWN}"  # noqa: S608 - constants
    return [Call(*row) for row in db.execute(query)]
