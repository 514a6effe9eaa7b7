"""The index follows the records file, whatever happened between the two."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from lineage import side

from anyprefer.agents.references import ReferenceReader, Truth
from anyprefer.data.records import RecordFile
from anyprefer.errors import RunFolderError
from anyprefer.runs.index import RunIndex, Suspicion, Tally
from anyprefer.types import Attempt, Critique, Failure, PreferencePair, PreferenceRecord, Prompts, Review, Task


def record(number: int, *, failed: bool = False) -> PreferenceRecord:
    error = Failure(kind="ModelRefusedError", message="no", node="x") if failed else None
    return PreferenceRecord(task=Task(id=f"t{number}", prompt="x"), status="failed" if failed else "exhausted", error=error)


@pytest.fixture
def records(tmp_path: Path) -> RecordFile:
    return RecordFile(tmp_path / "records.jsonl").open()


def test_counts_without_reading_the_records(records: RecordFile, tmp_path: Path) -> None:
    index = RunIndex(tmp_path / "index.sqlite", records)
    for number in range(5):
        one = record(number, failed=number == 3)
        index.add(one, records.append(one))
    tally = index.tally()
    assert (tally.statuses, tally.errors, tally.total) == ({"exhausted": 4, "failed": 1}, {"ModelRefusedError": 1}, 5)
    assert index.done() == {f"t{i}" for i in range(5)}


def accepted(number: int, chosen: str, rejected: str, reference: str | None, **changes: Any) -> PreferenceRecord:
    pair = PreferencePair(chosen=side(0, chosen, None), rejected=side(1, rejected, None))
    attempt = Attempt(round=0, prompts=Prompts(), candidates=(), pair=pair, critique=Critique(analysis="a"))
    task = Task(id=f"t{number}", prompt="How many?", reference=reference)
    values = {"task": task, "status": "accepted", "attempts": (attempt,), "best_attempt": 0, **changes}
    return PreferenceRecord.model_validate(values)


REFERENCED = (
    accepted(0, "Answer: 4", "Answer: 5", "4"),
    accepted(1, "Answer: 4", "Answer: 5", "4", review=Review(decision="swap")),
    accepted(2, "Answer: 4", "Nobody could say how many there were in the end.", "4"),
    accepted(3, "Answer: 4", "Answer: 5", None),
    accepted(4, "Answer: 4", "Answer: 5", "4", status="exhausted"),
    accepted(5, "Answer: 4", "Answer: 5", "4", status="rejected", review=Review(decision="reject", reason="no")),
    accepted(6, "Answer: 4", "Answer: 5", "Because the leaves of trees take in red light and blue light, they look green to us."),
)
TRUTHS = {Truth(True, False): 1, Truth(False, True): 1, Truth(True, None): 1, Truth(use="text"): 1}


def test_what_references_say_is_kept_for_accepted_pairs_as_they_are(records: RecordFile, tmp_path: Path) -> None:
    index, tally = RunIndex(tmp_path / "index.sqlite", records), Tally()
    for one in REFERENCED:
        index.add(one, records.append(one))
        tally.add(one)
    assert tally.truths == index.tally().truths == TRUTHS
    index.clear()
    assert not index.tally().truths
    index.catch_up(records)
    assert index.tally().truths == TRUTHS


def test_the_scorer_of_the_run_is_the_one_of_its_tally(records: RecordFile, tmp_path: Path) -> None:
    reader = ReferenceReader(lambda answer, task: float("5" in answer))
    index = RunIndex(tmp_path / "index.sqlite", records, reader)
    index.add(REFERENCED[0], records.append(REFERENCED[0]))
    tally = index.tally()
    tally.add(REFERENCED[0])
    assert tally.truths == {Truth(False, True): 2}


def test_catches_up_with_records_that_it_missed(records: RecordFile, tmp_path: Path) -> None:
    index = RunIndex(tmp_path / "index.sqlite", records)
    index.add(record(0), records.append(record(0)))
    records.append(record(1))  # killed between the record and the index
    index.close()
    again = RunIndex(tmp_path / "index.sqlite", records)
    assert again.done() == {"t0", "t1"}
    assert RunIndex(tmp_path / "index.sqlite", records).tally().total == 2


def test_an_index_that_is_lost_or_too_long_is_made_anew(records: RecordFile, tmp_path: Path) -> None:
    index = RunIndex(tmp_path / "index.sqlite", records)
    for number in range(3):
        index.add(record(number), records.append(record(number)))
    index.close()
    records.rewrite(lambda one: None if one.task.id == "t1" else one)
    assert RunIndex(tmp_path / "index.sqlite", records).done() == {"t0", "t2"}
    (tmp_path / "index.sqlite").unlink()
    assert RunIndex(tmp_path / "index.sqlite", records).done() == {"t0", "t2"}


def test_a_file_that_is_no_index_is_named(records: RecordFile, tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"x" * 4096)
    with pytest.raises(RunFolderError, match=r"index\.sqlite"):
        RunIndex(tmp_path / "index.sqlite", records)


def test_suspicion_grows_only_without_progress(records: RecordFile, tmp_path: Path) -> None:
    index = RunIndex(tmp_path / "index.sqlite", records)
    index.begin("a", 0, alone=False)
    index.begin("b", 0, alone=False)
    index.begin("a", 2, alone=False)
    assert index.suspects() == {"a": Suspicion(2, 1, 0), "b": Suspicion(0, 1, 0)}
    index.begin("a", 2, alone=False)
    index.begin("a", 2, alone=True)
    index.end("b")
    assert index.suspects() == {"a": Suspicion(2, 3, 1)}
    index.begin("a", 3, alone=True)
    assert index.suspects() == {"a": Suspicion(3, 1, 1)}
    index.add(record(0).model_copy(update={"task": Task(id="a", prompt="x")}), 10)
    assert index.suspects() == {}


def test_readers_beside_the_writer(records: RecordFile, tmp_path: Path) -> None:
    index = RunIndex(tmp_path / "index.sqlite", records)
    reader = sqlite3.connect(f"file:{tmp_path / 'index.sqlite'}?mode=ro", uri=True)
    for number in range(3):
        index.add(record(number), records.append(record(number)))
        assert reader.execute("SELECT count(*) FROM finished").fetchone() == (number + 1,)
        assert [one.task.id for one in RecordFile(records.path)] == [f"t{i}" for i in range(number + 1)]
    reader.close()
