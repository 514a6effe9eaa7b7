"""The index of a run folder: what each finished record came to, and which tasks were being worked on.

It answers counts without reading gigabytes of records. `records.jsonl` stays the truth: whatever it holds beyond what the index
knows is read on opening, and an index that does not fit it is made anew.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from anyprefer.data.records import RecordFile
from anyprefer.errors import RunFolderError
from anyprefer.types import PreferenceRecord, disagree

_SCHEMA = """
CREATE TABLE IF NOT EXISTS finished (
    task_id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT,
    agreed INTEGER NOT NULL,
    flipped INTEGER NOT NULL,
    end INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS starts (task_id TEXT NOT NULL, calls INTEGER NOT NULL, alone INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS starts_by_task ON starts (task_id);
"""


@dataclass
class Tally:
    """Counts of finished records, and of what waits; memory does not grow with their number."""

    statuses: Counter[str] = field(default_factory=Counter)
    rounds: Counter[int] = field(default_factory=Counter)
    """Attempts made -> number of tasks."""
    errors: Counter[str] = field(default_factory=Counter)
    flips: Counter[bool] = field(default_factory=Counter)
    """Whether single judgements disagreed on an attempt's best and worst response."""
    waiting: int = 0
    """Tasks of this session that have no record yet, because they wait for a reviewer."""

    def add(self, record: PreferenceRecord) -> None:
        """Count one record."""
        self.statuses[record.status] += 1
        self.rounds[len(record.attempts)] += 1
        if record.error:
            self.errors[record.error.kind] += 1
        self.flips.update(flips_of(record))

    @property
    def total(self) -> int:
        """Records counted so far."""
        return self.statuses.total()


def flips_of(record: PreferenceRecord) -> Counter[bool]:
    """Of the attempts with several judgements: how many disagreed on the best and the worst response, and how many agreed."""
    flips: Counter[bool] = Counter()
    for attempt in record.attempts:
        ranked = sorted(attempt.verdicts, key=lambda verdict: verdict.score)
        flipped = disagree(ranked[0], ranked[-1]) if ranked else None
        if flipped is not None:
            flips[flipped] += 1
    return flips


@dataclass(frozen=True)
class Suspicion:
    """What speaks for a task having brought the process down."""

    calls: int
    """Calls it had completed when it was last started."""
    deaths: int = 0
    """Starts in a row, with no new call between them, after which the process died."""
    deaths_alone: int = 0
    """Those of them with no other task in progress."""


class RunIndex:
    """The `index.sqlite` beside an open `records.jsonl`; one writer, any number of readers."""

    def __init__(self, path: Path, records: RecordFile) -> None:
        """Open the index and bring it up to date.

        Raises:
            RunFolderError: A file cannot be used.
        """
        self.path = path
        with self._errors():
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        self.catch_up(records)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def catch_up(self, records: RecordFile, *, anew: bool = False) -> None:
        """Read what the records file holds beyond the index; `anew` reads all of it."""
        size = records.size()
        known = self._one("SELECT coalesce(max(end), 0) FROM finished")
        if anew or known > size:
            with self._errors():
                self._db.execute("DELETE FROM finished")
            known = 0
        with self._errors():
            self._db.execute("BEGIN")
            try:
                for record, end in records.after(known):
                    self._insert(record, end)
            finally:
                self._db.execute("COMMIT")

    def add(self, record: PreferenceRecord, end: int) -> None:
        """Note a record that now stands in the file up to byte `end`; its task is no longer being worked on."""
        with self._errors():
            self._insert(record, end)
            self._db.execute("DELETE FROM starts WHERE task_id = ?", (record.task.id,))

    def done(self) -> set[str]:
        """The ids of all finished tasks."""
        with self._errors():
            return {row[0] for row in self._db.execute("SELECT task_id FROM finished")}

    def tally(self) -> Tally:
        """Counts over all finished tasks."""
        counts = Tally()
        with self._errors():
            counts.statuses.update(dict(self._db.execute("SELECT status, count(*) FROM finished GROUP BY status")))
            counts.rounds.update(dict(self._db.execute("SELECT attempts, count(*) FROM finished GROUP BY attempts")))
            errors = self._db.execute("SELECT error, count(*) FROM finished WHERE error IS NOT NULL GROUP BY error")
            counts.errors.update(dict(errors))
            agreed, flipped = self._db.execute("SELECT sum(agreed), sum(flipped) FROM finished").fetchone()
        counts.flips.update({True: flipped or 0, False: agreed or 0})
        counts.flips = +counts.flips
        return counts

    def begin(self, task_id: str, num_calls: int, *, alone: bool) -> None:
        """Note that work on a task starts, with so many of its calls in the journal, and whether no other task is in progress."""
        with self._errors():
            self._db.execute("INSERT INTO starts VALUES (?, ?, ?)", (task_id, num_calls, alone))

    def end(self, task_id: str) -> None:
        """Note that work on a task stopped in good order."""
        with self._errors():
            self._db.execute("DELETE FROM starts WHERE task_id = ?", (task_id,))

    def suspects(self) -> dict[str, "Suspicion"]:
        """The tasks that were in progress when the process died."""
        with self._errors():
            rows = self._db.execute("SELECT task_id, calls, alone FROM starts ORDER BY rowid").fetchall()
        found: dict[str, Suspicion] = {}
        for task_id, calls, alone in rows:
            before = found.get(task_id)
            if before is None or calls != before.calls:
                before = Suspicion(calls)
            found[task_id] = Suspicion(calls, before.deaths + 1, before.deaths_alone + alone)
        return found

    def _insert(self, record: PreferenceRecord, end: int) -> None:
        flips = flips_of(record)
        row = (
            record.task.id, record.status, len(record.attempts), record.error.kind if record.error else None, flips[False],
            flips[True], end,
        )  # fmt: skip
        self._db.execute("INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _one(self, query: str) -> int:
        with self._errors():
            return int(self._db.execute(query).fetchone()[0])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RunFolderError(
                f"cannot use {str(self.path)!r}: {error}; free disk space or check the folder's permissions and run the same "
                "command again, what was finished stays"
            ) from error
