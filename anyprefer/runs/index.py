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

from anyprefer.agents.references import ReferenceReader, Truth
from anyprefer.backends.troubles import Trouble, count_cause
from anyprefer.data.records import RecordFile
from anyprefer.data.task_digest import digest_task
from anyprefer.errors import RunFolderError
from anyprefer.runs.rewards import opinions_of
from anyprefer.types import PreferenceRecord, disagree

VERSION = 4
"""Of the table of finished tasks; one of another version is made anew."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS finished (
    task_id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT,
    cause TEXT,
    agreed INTEGER NOT NULL,
    flipped INTEGER NOT NULL,
    end INTEGER NOT NULL,
    content TEXT NOT NULL,
    reference TEXT,
    chosen_right INTEGER,
    rejected_right INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS starts (task_id TEXT NOT NULL, calls INTEGER NOT NULL, alone INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS starts_by_task ON starts (task_id);
CREATE TABLE IF NOT EXISTS checked (tasks TEXT NOT NULL, others INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS shortened (task_id TEXT NOT NULL, part TEXT NOT NULL, PRIMARY KEY (task_id, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rewards (task_id TEXT NOT NULL, reward REAL NOT NULL);
CREATE INDEX IF NOT EXISTS rewards_by_task ON rewards (task_id);
"""

_CAUSES = "SELECT cause, error, count(*) AS tasks FROM finished WHERE error IS NOT NULL GROUP BY cause, error ORDER BY tasks DESC"
_TRUTHS = """
SELECT chosen_right, rejected_right, reference, count(*) FROM finished WHERE reference IS NOT NULL
GROUP BY chosen_right, rejected_right, reference
"""


@dataclass
class Tally:
    """Counts of finished records, and of what waits; memory does not grow with their number."""

    statuses: Counter[str] = field(default_factory=Counter)
    rounds: Counter[int] = field(default_factory=Counter)
    """Attempts made -> number of tasks."""
    errors: Counter[str] = field(default_factory=Counter)
    """Error class -> number of tasks that it ended, with a pair or without."""
    exhausted_after_error: int = 0
    """Exhausted tasks that did not run out of rounds: an error ended them after a pair was made."""
    causes: dict[str, Trouble] = field(default_factory=dict)
    """Why tasks ended early; causes beyond a number are counted together."""
    flips: Counter[bool] = field(default_factory=Counter)
    """Whether single judgements disagreed on an attempt's best and worst response."""
    shortened: int = 0
    """Tasks whose judge or critic saw a shortened text in some round."""
    shortened_parts: Counter[str] = field(default_factory=Counter)
    """Who saw what shortened, such as "judge: task" -> number of tasks."""
    rewards: Counter[float] = field(default_factory=Counter)
    """Rewards that are a critic's opinion, to three digits -> attempts."""
    truths: Counter[Truth] = field(default_factory=Counter)
    """What references say of accepted pairs -> number of pairs; those of tasks without one are not in it."""
    reader: ReferenceReader = field(default_factory=ReferenceReader)
    """Compares pairs with references."""
    waiting: int = 0
    """Tasks of this session that have no record yet, because they wait for a reviewer."""

    def add(self, record: PreferenceRecord) -> None:
        """Count one record."""
        self.statuses[record.status] += 1
        self.rounds[len(record.attempts)] += 1
        if record.error:
            self.errors[record.error.kind] += 1
            self.exhausted_after_error += record.status == "exhausted"
            count_cause(self.causes, Trouble(record.error.reason, record.error.kind, 1))
        self.flips.update(flips_of(record))
        self.shortened += bool(record.shortened)
        self.shortened_parts.update(record.shortened)
        self.rewards.update(opinions_of(record))
        if (truth := truth_of(record, self.reader)) is not None:
            self.truths[truth] += 1

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


def truth_of(record: PreferenceRecord, reader: ReferenceReader) -> Truth | None:
    """What the reference says of an accepted pair as a reviewer left it; None of any other record, and without a reference."""
    pair = record.pair if record.status == "accepted" else None
    return None if pair is None else reader.read_pair(record.task, pair)


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

    def __init__(self, path: Path, records: RecordFile, reader: ReferenceReader | None = None) -> None:
        """Open the index and bring it up to date.

        Args:
            path: Of the index.
            records: Open.
            reader: Compares pairs with references; None goes by their final answers.

        Raises:
            RunFolderError: A file cannot be used.
        """
        self.path = path
        self._reader = reader or ReferenceReader()
        with self._errors():
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            if self._one("PRAGMA user_version") != VERSION:
                self._db.executescript(f"DROP TABLE IF EXISTS finished; PRAGMA user_version = {VERSION};")
            self._db.executescript(_SCHEMA)
        self.catch_up(records)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def catch_up(self, records: RecordFile) -> None:
        """Read what the records file holds beyond the index."""
        size = records.size()
        known = self._one("SELECT coalesce(max(end), 0) FROM finished")
        if known > size:
            self.clear()
            known = 0
        with self._errors():
            self._db.execute("BEGIN")
            try:
                for record, end in records.after(known):
                    self._insert(record, end)
                    self._db.execute("DELETE FROM checked")
            finally:
                self._db.execute("COMMIT")

    def clear(self) -> None:
        """Forget every record, before the records file is written anew: killed after that, nothing here is about the old one."""
        with self._errors():
            for table in ("finished", "shortened", "rewards", "checked"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def add(self, record: PreferenceRecord, end: int) -> None:
        """Note a record that now stands in the file up to byte `end`; its task is no longer being worked on."""
        with self._errors():
            self._insert(record, end)
            self._db.execute("DELETE FROM starts WHERE task_id = ?", (record.task.id,))

    def done(self) -> set[str]:
        """The ids of all finished tasks."""
        with self._errors():
            return {row[0] for row in self._db.execute("SELECT task_id FROM finished")}

    def content(self, task_id: str) -> str | None:
        """What the task of a record said, as `digest_task` has it; None where there is no record."""
        with self._errors():
            row = self._db.execute("SELECT content FROM finished WHERE task_id = ?", (task_id,)).fetchone()
        return None if row is None else str(row[0])

    def others(self, tasks: str) -> int | None:
        """How many records are of none of these tasks; None where the records were not compared with them.

        Args:
            tasks: A digest of all of them.
        """
        with self._errors():
            row = self._db.execute("SELECT others FROM checked WHERE tasks = ?", (tasks,)).fetchone()
        return None if row is None else int(row[0])

    def note_checked(self, tasks: str, others: int) -> None:
        """Note that every record of these tasks is of the very task, and how many are of others; it holds for those to come."""
        with self._errors():
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM checked")
            self._db.execute("INSERT INTO checked VALUES (?, ?)", (tasks, others))
            self._db.execute("COMMIT")

    def tally(self) -> Tally:
        """Counts over all finished tasks."""
        counts = Tally(reader=self._reader)
        with self._errors():
            counts.statuses.update(dict(self._db.execute("SELECT status, count(*) FROM finished GROUP BY status")))
            counts.rounds.update(dict(self._db.execute("SELECT attempts, count(*) FROM finished GROUP BY attempts")))
            errors = self._db.execute("SELECT error, count(*) FROM finished WHERE error IS NOT NULL GROUP BY error")
            counts.errors.update(dict(errors))
            counts.exhausted_after_error = self._one(
                "SELECT count(*) FROM finished WHERE status = 'exhausted' AND error IS NOT NULL"
            )
            for trouble in self._db.execute(_CAUSES):
                count_cause(counts.causes, Trouble(*trouble))
            agreed, flipped = self._db.execute("SELECT sum(agreed), sum(flipped) FROM finished").fetchone()
            parts = self._db.execute("SELECT part, count(*) FROM shortened GROUP BY part")
            counts.shortened_parts.update(dict(parts))
            counts.rewards.update(dict(self._db.execute("SELECT reward, count(*) FROM rewards GROUP BY reward")))
            for chosen, rejected, use, number in self._db.execute(_TRUTHS):
                counts.truths[Truth(_as_bool(chosen), _as_bool(rejected), use)] = number
        counts.shortened = self._one("SELECT count(DISTINCT task_id) FROM shortened")
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
        flips, truth = flips_of(record), truth_of(record, self._reader)
        said = (None, None, None) if truth is None else (truth.use, truth.chosen, truth.rejected)
        row = (
            record.task.id, record.status, len(record.attempts), record.error.kind if record.error else None,
            record.error.reason if record.error else None, flips[False], flips[True], end, digest_task(record.task),
            *said,
        )  # fmt: skip
        self._db.execute("DELETE FROM shortened WHERE task_id = ?", (record.task.id,))
        self._db.executemany("INSERT INTO shortened VALUES (?, ?)", ((record.task.id, part) for part in record.shortened))
        self._db.execute("DELETE FROM rewards WHERE task_id = ?", (record.task.id,))
        self._db.executemany("INSERT INTO rewards VALUES (?, ?)", ((record.task.id, reward) for reward in opinions_of(record)))
        self._db.execute("INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

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


def _as_bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)
