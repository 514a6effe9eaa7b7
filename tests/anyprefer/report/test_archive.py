"""The archive of records: what is written comes back, in bounded memory, whatever the texts hold."""

import io
import json
import re
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lineage import CARRIED, EDITED, FROM_REFERENCE, SWAPPED, TWO_GENERATORS, evidence, side

from anyprefer.report.archive import MOST_LINES, NO_PAIR, fold, index_row, unpack, write_archive
from anyprefer.types import (
    Attempt,
    Candidate,
    Critique,
    Failure,
    Message,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Review,
    Task,
    ToolCall,
)  # fmt: skip

BLOCK = re.compile(r'<script type="text/plain" data-archive="(\w+)" data-first="(\d+)">([A-Za-z0-9+/=]*)</script>\n')
HOSTILE = "</script><script>alert(1)</script><!-- \0 \u202e ]]> <img src=x onerror=alert(1)>"


def make_record(number=0, text="", **changes):
    pair = PreferencePair(chosen=side(0, f"good {text}", 9), rejected=side(1, f"bad {text}", 2.5))
    attempt = Attempt(
        round=0, prompts=Prompts(),
        candidates=(Candidate(index=0, output=pair.chosen.output), Candidate(index=1, output=pair.rejected.output)),
        tool_calls=(ToolCall(tool="python", args={"code": text}),), evidence=(evidence(None, text, tool="search"),),
        pair=pair, critique=Critique(analysis="fine", score=8),
    )  # fmt: skip
    values = {"task": Task(id=f"t{number}", prompt=f"question {number} {text}", reference="42"), "status": "accepted"}
    return PreferenceRecord(**{**values, "attempts": (attempt,), "best_attempt": 0, **changes})


def blocks_of(page):
    assert BLOCK.sub("", page) == ""
    found = {"index": [], "texts": [], "records": []}
    for kind, first, packed in BLOCK.findall(page):
        assert int(first) == len(found[kind])
        found[kind] += unpack(packed)
    return found


def write(records, **options):
    page = io.StringIO()
    write_archive(records, page, **options)
    return page.getvalue()


def test_thousands_of_records_come_back_as_they_were():
    records = [make_record(number, f"text {number % 7}" * 20) for number in range(5000)]
    page = write(iter(records))
    blocks = blocks_of(page)
    assert [PreferenceRecord.model_validate_json(line) for line in blocks["records"]] == records
    assert [json.loads(line)["id"] for line in blocks["index"]] == [record.task.id for record in records]
    assert len(blocks["texts"]) == 5000


def test_the_same_records_make_the_same_page():
    assert write([make_record(1), make_record(2)]) == write([make_record(1), make_record(2)])


def test_memory_does_not_grow_with_the_number_of_records(monkeypatch):
    class Nowhere(io.StringIO):
        def write(self, text):
            return len(text)

    def peak(number):
        records: Iterator[PreferenceRecord] = (make_record(i, f"{i} " * 2000) for i in range(number))
        tracemalloc.start()
        write_archive(records, Nowhere())
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    for kind in MOST_LINES:
        monkeypatch.setitem(MOST_LINES, kind, 20)
    peak(1)
    assert peak(300) < 1.5 * peak(40)


def test_huge_records_get_blocks_of_their_own():
    page = write(make_record(number, "word " * 200_000) for number in range(3))
    assert [int(first) for kind, first, _ in BLOCK.findall(page) if kind == "records"] == [0, 1, 2]


def test_no_text_can_end_its_element():
    record = make_record(text=HOSTILE, task=Task(id=HOSTILE, prompt=HOSTILE), models={HOSTILE: HOSTILE})
    page = write([record], classes={HOSTILE: HOSTILE})
    assert PreferenceRecord.model_validate_json(blocks_of(page)["records"][0]) == record


def test_lone_surrogates_are_written_as_their_escapes():
    page = write([make_record(task=Task(id="a\ud800", prompt="b\udfff"))])
    blocks = blocks_of(page)
    assert json.loads(blocks["index"][0])["id"] == r"a\ud800"
    assert PreferenceRecord.model_validate_json(blocks["records"][0]).task.prompt == r"b\udfff"
    assert blocks["texts"][0].startswith(r"a\ud800 b\udfff")


@given(st.lists(st.text(max_size=40).filter(str.strip), max_size=5))
def test_any_texts_come_back(texts):
    records = [make_record(number, text) for number, text in enumerate(texts)]
    blocks = blocks_of(write(records))
    assert [PreferenceRecord.model_validate_json(line) for line in blocks["records"] if line] == records
    assert len(blocks["texts"]) == len(records)


def test_the_index_says_what_filters_ask():
    assert index_row(make_record(3), "hard") == {
        "id": "t3", "status": "accepted", "prompt": "question 3", "rounds": 1, "tools": ["python", "search"], "reward": 8,
        "chosen": 9.0, "rejected": 2.5, "margin": 6.5, "class": "hard",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"status": "failed", "error": Failure(kind="ModelCallError", message="no", node="judge")},
            {"status": "failed", "failure": "ModelCallError"},
        ),
        ({"status": "exhausted"}, {"status": "exhausted", "failure": NO_PAIR}),
    ],
)
def test_records_without_a_pair_say_why(changes, expected):
    record = make_record(**{"attempts": (), "best_attempt": None, **changes})
    assert index_row(record) == {"id": "t0", "prompt": "question 0", "rounds": 0, "tools": [], **expected}


def test_the_index_knows_certainty_and_what_stood_in_the_way():
    assert index_row(TWO_GENERATORS)["certainty"] == 80.0
    refused = CARRIED.model_copy(update={"attempts": CARRIED.attempts[:1], "best_attempt": None, "status": "exhausted"})
    assert index_row(refused)["failure"] == "no pair: undecided"


def test_a_pair_that_a_reviewer_turned_down_keeps_its_numbers():
    record = make_record(status="rejected", review=Review(decision="reject", reason="both are wrong"))
    assert index_row(record)["margin"] == 6.5
    assert "failure" not in index_row(record)
    assert "good" in blocks_of(write([record]))["texts"][0]


@pytest.mark.parametrize(
    ("record", "scores"),
    [
        (SWAPPED, {"chosen": 2.0, "rejected": 9.0, "margin": -7.0}),
        (EDITED, {"rejected": 2.0}),
        (FROM_REFERENCE, {"rejected": 2.0}),
    ],
)
def test_a_side_that_no_judge_scored_has_no_score_in_the_list(record, scores):
    row = index_row(record)
    assert {name: row[name] for name in ("chosen", "rejected", "margin") if name in row} == scores


def test_a_search_reads_an_edit_and_no_thoughts():
    texts = blocks_of(write([EDITED]))["texts"][0]
    assert "by hand" in texts
    assert "six sevens" not in texts


def test_the_list_shows_the_last_message_without_control_characters():
    messages = (Message(role="system", content="be kind"), Message(role="user", content="line\n\none\u202e\0two " + "x" * 500))
    prompt = index_row(make_record(task=Task(id="m", prompt=messages)))["prompt"]
    assert prompt.startswith("line one two xxx")
    assert len(prompt) == 160


def test_texts_are_searched_without_case_and_layout():
    assert fold("Ein\n\tCAFE\u0301 \x0b") == "ein café"


def test_no_records_make_no_blocks():
    assert write([]) == ""
