"""Texts that a judge or the critic saw shortened are counted wherever a run is added up, and listed with their record."""

import io
from pathlib import Path

import pytest
from lineage import make_attempt, make_record
from rich.console import Console

from anyprefer.data.records import RecordFile, read_record, record_line
from anyprefer.runs.index import RunIndex, Tally
from anyprefer.runs.live import Picture
from anyprefer.runs.progress import describe
from anyprefer.runs.record_view import show_record
from anyprefer.runs.show import show_summary
from anyprefer.runs.summary import Summary
from anyprefer.types import Cut, PreferenceRecord

TASK = Cut(role="judge", what="task", chars=9258)
PANEL = Cut(role="judge.panel.0", what="response 2", chars=41)
OTHERS = (
    Cut(role="judge.panel.0", what="response 3", chars=1), Cut(role="critic", what="preferred response", chars=5),
    Cut(role="judge", what="search on response 12", chars=4),
)  # fmt: skip
NOT_JUDGED = Cut(role="tools", what="page 1 of web_search on the task", chars=7), Cut(role="rewriter", what="task", chars=3)

RECORDS = (
    make_record("whole"), make_record("tools", make_attempt(cuts=NOT_JUDGED)), make_record("task", make_attempt(cuts=(TASK,))),
    make_record("many", make_attempt(cuts=(TASK, PANEL, *OTHERS, *NOT_JUDGED))),
)  # fmt: skip
PARTS = {"critic: preferred response": 1, "judge: response": 1, "judge: search on response": 1, "judge: task": 2}
LINE = (
    "a text was shortened for the judge or the critic in 2 tasks (critic: preferred response 1, judge: response 1, judge: search"
)


@pytest.fixture
def index(tmp_path: Path) -> RunIndex:
    with RecordFile(tmp_path / "records.jsonl") as records:
        index = RunIndex(tmp_path / "index.sqlite", records)
        for record in RECORDS:
            index.add(record, records.append(record))
        return index


def test_the_index_counts_as_the_records_do(index: RunIndex, tmp_path: Path) -> None:
    tally = Tally()
    for record in RECORDS:
        tally.add(record)
    assert (tally.shortened, tally.shortened_parts) == (2, PARTS)
    assert (index.tally().shortened, index.tally().shortened_parts) == (2, PARTS)
    records = RecordFile(tmp_path / "records.jsonl")
    index.clear()
    assert index.tally().shortened == 0
    index.catch_up(records)
    assert (index.tally().shortened, index.tally().shortened_parts) == (2, PARTS)
    index.add(RECORDS[3].model_copy(update={"attempts": (), "best_attempt": None}), records.size())
    assert (index.tally().shortened, index.tally().shortened_parts) == (1, {"judge: task": 1})


def test_summary_and_live_view_say_it_where_there_is_something_to_say(tmp_path: Path) -> None:
    numbers = {"shortened": 2, "shortened_parts": PARTS}
    both = {"recipe": "r", "accepted": 4, "exhausted": 0, "failed": 0, "rounds": {1: 4}, "calls": 12, "seconds": 1.0}
    ended = {
        "digest": "d", "tasks": 4, "stopped": "finished", "errors": {}, "repeated_calls": 0, "prompt_tokens": 1,
        "completion_tokens": 1, "usage": {},
    }  # fmt: skip
    live = {
        "pid": 1, "time": 0.0, "total": 4, "wanted": None, "in_progress": 0, "tokens": 2, "cost_usd": None,
        "tasks_per_second": None, "endpoints": [],
    }  # fmt: skip
    for told in (numbers, {}):
        console = Console(file=io.StringIO(), width=300)
        show_summary(Summary.model_validate({**both, **ended, **told}), tmp_path, console)
        text = console.file.getvalue()  # type: ignore[attr-defined]
        lines = "\n".join(describe(Picture.model_validate({**both, **live, **told})))
        assert (LINE in text, LINE in lines) == (bool(told), bool(told))
        assert ("shortened" in text, "shortened" in lines) == (bool(told), bool(told))


def test_a_record_lists_its_cuts_harmlessly() -> None:
    evil = Cut(role="judge", what="\x1b[31mtool on response 1", chars=12)
    console = Console(file=io.StringIO(), width=200)
    show_record(make_record("r", make_attempt(cuts=(TASK, evil, *NOT_JUDGED))), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "shortened" in text
    assert "task: 9,258 characters left out" in text
    assert "page 1 of web_search on the task: 7 characters left out" in text
    assert "\x1b" not in text
    console = Console(file=io.StringIO(), width=200)
    show_record(RECORDS[0], console)
    assert "shortened" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_records_without_cuts_are_stored_as_before_and_others_come_back_whole() -> None:
    plain, cut = RECORDS[0], RECORDS[3]
    assert b"cuts" not in record_line(plain)
    for record in (plain, cut):
        assert read_record(record_line(record)) == record
    assert PreferenceRecord.model_validate_json(cut.model_dump_json()).attempts[0].cuts == cut.attempts[0].cuts
