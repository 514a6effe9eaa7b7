"""What a run's records add up to."""

import sqlite3
from pathlib import Path

from anyprefer.data.records import RecordFile
from anyprefer.runs.index import RunIndex, Tally
from anyprefer.runs.live import count_by_message
from anyprefer.types import Attempt, Critique, Failure, PreferenceRecord, Prompts, Task, Verdict


def record(*scores: tuple[float, ...]) -> PreferenceRecord:
    verdicts = tuple(Verdict(candidate=i, analysis="", score=sum(each) / len(each), scores=each) for i, each in enumerate(scores))
    attempt = Attempt(round=0, prompts=Prompts(), candidates=(), verdicts=verdicts, critique=Critique(analysis="x", score=8))
    return PreferenceRecord(task=Task(prompt="q"), status="exhausted", attempts=(attempt,))


def test_flips_are_counted_between_best_and_worst_of_each_attempt() -> None:
    tally = Tally()
    tally.add(record((9, 8), (5, 5), (2, 1)))
    tally.add(record((9, 1), (5, 5), (2, 7)))
    tally.add(record((9,), (2,)))
    assert (tally.flips[True], tally.flips[False]) == (1, 1)
    assert tally.total == 3


def test_one_judgement_cannot_flip() -> None:
    tally = Tally()
    tally.add(record((9,), (2,)))
    tally.add(record())
    assert not tally.flips


def failed(number: int, message: str, cause: str = "") -> PreferenceRecord:
    error = Failure(kind="ModelRefusedError", message=message, node="n", cause=cause)
    return PreferenceRecord(task=Task(id=f"t{number}", prompt="q"), status="failed", error=error)


RECORDS = (
    failed(1, "no model at all"),
    failed(2, "row 2 is odd: no model", "no model"),
    failed(3, "row 3 is odd: no model", "no model"),
    record((9,), (2,)),
)


def test_causes_are_counted_alike_from_records_and_from_the_index(tmp_path: Path) -> None:
    tally = Tally()
    with RecordFile(tmp_path / "records.jsonl") as records:
        index = RunIndex(tmp_path / "index.sqlite", records)
        for one in RECORDS:
            index.add(one, records.append(one))
            tally.add(one)
        assert count_by_message(tally.causes) == count_by_message(index.tally().causes) == {"no model": 2, "no model at all": 1}


def test_an_index_of_before_is_made_anew_with_the_causes(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "index.sqlite")
    old.execute(
        "CREATE TABLE finished (task_id TEXT PRIMARY KEY, status, attempts, error, agreed, flipped, end INTEGER) WITHOUT ROWID"
    )
    with RecordFile(tmp_path / "records.jsonl") as records:
        for one in RECORDS:
            row = (one.task.id, one.status, 0, None, 0, 0, records.append(one))
            old.execute("INSERT INTO finished VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        old.commit()
        old.close()
        tally = RunIndex(tmp_path / "index.sqlite", records).tally()
    assert count_by_message(tally.causes) == {"no model": 2, "no model at all": 1}
    assert tally.total == 4
