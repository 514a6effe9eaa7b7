"""A run's records as a list, a line for each."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import DataError
from anyprefer.redaction import quote
from anyprefer.types import PreferenceRecord

_CHARS = 80
_READ = 1000


class Row(BaseModel):
    """What a list says of a record."""

    id: str
    status: str
    reward: float | None
    """Of its best attempt; None where it made no pair, or no critic was asked."""
    certainty: float | None
    """Share of votes behind its pair; None where it has none, or nobody voted."""
    reason: str | None
    """Of a record without a pair: what stood in the way first, such as "all_wrong"; None where no round says it."""
    error: str | None
    """What kind of failure a failed task met."""
    prompt: str
    """The start of its last message, on one line."""

    def line(self) -> str:
        """For a terminal: whatever a task file holds is printable here."""
        result = self.error or self.reason or ("-" if self.reward is None else f"{self.reward:.3g}/10")
        certainty = "" if self.certainty is None else f"{100 * self.certainty:.0f} %"
        return f"{quote(self.id):20}  {self.status:9}  {result:>7}  {certainty:>5}  {self.prompt}"


def list_records(run_dir: Path, status: str | None = None) -> Iterator[Row]:
    """The records of a run in the order in which they were finished, one in memory at a time.

    Args:
        run_dir: A run folder, finished or not.
        status: Of those to list; None lists all.

    Raises:
        DataError: The folder has no records.
        RunFolderError: A line is no record.
    """
    path = RunDir(run_dir).records
    if not path.exists():
        raise DataError(f"{str(run_dir)!r} has no records.jsonl: give the folder of a run")
    return (_row(record) for record in RecordFile(path) if status in (None, record.status))


def _row(record: PreferenceRecord) -> Row:
    pair, why = record.pair, record.attempts[-1].shortfall if record.attempts else None
    return Row(
        id=record.task.id, status=record.status, reward=record.best.critique.score if record.best else None,
        certainty=pair.certainty if pair else None, reason=why.reasons[0] if record.best is None and why else None,
        error=record.error.kind if record.status == "failed" and record.error else None,
        prompt=quote(record.task.messages[-1].text[:_READ], _CHARS),
    )  # fmt: skip
