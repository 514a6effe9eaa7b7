import json
import logging
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyprefer.data.records import RecordFile, record_line
from anyprefer.errors import DataError, RunFolderError
from anyprefer.types import Attempt, Candidate, Critique, Origin, PreferencePair, PreferenceRecord, Prompts, Side, Task


def pair_of(*texts):
    origins = (Origin(kind="candidate", candidate=place, round=0) for place in (0, 1))
    sides = [Side(origin=origin, output=text, score=score) for origin, text, score in zip(origins, texts, (9, 2), strict=True)]
    return PreferencePair(chosen=sides[0], rejected=sides[1])


def record(name, text="yes", status="accepted"):
    attempt = Attempt(
        round=0,
        prompts=Prompts(),
        candidates=(Candidate(index=0, output=text), Candidate(index=1, output="no")),
        pair=pair_of(text, "no"),
        critique=Critique(analysis="clear", score=8),
    )
    return PreferenceRecord(task=Task(id=name, prompt="x?"), status=status, attempts=(attempt,), best_attempt=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records.jsonl"


def fill(path, *names):
    with RecordFile(path) as records:
        for name in names:
            records.append(record(name))
    return path.read_bytes()


def test_records_come_back_in_order(path):
    fill(path, "a", "b")
    fill(path, "c")
    assert list(RecordFile(path)) == [record("a"), record("b"), record("c")]
    assert RecordFile(path).ids() == {"a", "b", "c"}


@pytest.mark.parametrize("number", ["3", "30"])
def test_newer_record_is_no_torn_line(path, number):
    whole = fill(path, "a").replace(b'{"version":2,', b'{"version":' + number.encode() + b",")
    path.write_bytes(whole)
    for read in (lambda: list(RecordFile(path)), RecordFile(path).open):
        with pytest.raises(RunFolderError, match=f"a record of version {number} .*: install the newer one"):
            read()
    assert path.read_bytes() == whole


def test_line_that_was_laid_out_anew_is_read(path):
    path.write_text(json.dumps(json.loads(fill(path, "a")), sort_keys=True) + "\n")
    assert list(RecordFile(path)) == [record("a")]


def test_missing_file_reads_as_empty(path):
    assert list(RecordFile(path)) == []
    assert RecordFile(path).ids() == set()
    assert not path.exists()


def test_append_needs_open(path):
    with pytest.raises(ValueError, match="not open"):
        RecordFile(path).append(record("a"))


def test_torn_last_line_is_moved_at_every_offset(path, caplog):
    caplog.set_level(logging.WARNING)
    whole = fill(path, "a", "b", "c")
    start = len(whole) - len(record_line(record("c")))
    for end in range(start, len(whole)):
        torn = path.with_suffix(".torn")
        torn.unlink(missing_ok=True)
        path.write_bytes(whole[:end])
        caplog.clear()
        with RecordFile(path) as records:
            assert records.ids() == {"a", "b"}
            records.append(record("c"))
        assert path.read_bytes() == whole
        assert torn.exists() == (end > start) == bool(caplog.records)
        assert end == start or torn.read_bytes() == whole[start:end] + b"\n"


@pytest.mark.parametrize("last", [b"garbage\n", b"\0" * 200_000, b"{}\n", b"\n", b"\xff\n", b'{"task": {"id": "x"}}\n'])
def test_corrupt_last_line_is_moved(path, last):
    whole = fill(path, "a", "b")
    path.write_bytes(whole + last)
    RecordFile(path).open().close()
    assert path.read_bytes() == whole
    assert path.with_suffix(".torn").read_bytes().startswith(last)


def test_torn_lines_add_up(path):
    for text in (b"one", b"two"):
        path.write_bytes(text)
        RecordFile(path).open().close()
    assert path.with_suffix(".torn").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b""


@pytest.mark.parametrize("line", [b"garbage\n", b"\n", b"{}\n", b"\0\0\n"])
def test_corrupt_line_in_the_middle_is_named(path, line):
    whole = fill(path, "a")
    path.write_bytes(whole + line + record_line(record("b")))
    records = RecordFile(path)
    records.open().close()
    for read in (records.ids, lambda: list(records), lambda: records.rewrite(lambda found: found)):
        with pytest.raises(RunFolderError, match=r"records\.jsonl line 2 is not a record"):
            read()
    assert path.read_bytes() == whole + line + record_line(record("b"))


def test_reader_ignores_a_line_that_is_being_written(path):
    whole = fill(path, "a", "b")
    for end in range(len(whole) - 100, len(whole)):
        path.write_bytes(whole[:end])
        assert [found.task.id for found in RecordFile(path)] == ["a"]
        assert RecordFile(path).ids() == {"a"}


def test_rewrite_keeps_the_others_byte_for_byte(path):
    fill(path, "a")
    with RecordFile(path) as records:
        records.append(record("b", status="failed"))
        records.append(record("c", text="dü"))
        before = path.read_bytes().splitlines(keepends=True)
        assert records.rewrite(lambda found: None if found.status == "failed" else found) == 1
        records.append(record("d"))
    assert path.read_bytes().splitlines(keepends=True) == [before[0], before[2], record_line(record("d"))]
    assert sorted(file.name for file in path.parent.iterdir()) == ["records.jsonl"]


def test_rewrite_repairs_first(path):
    path.write_bytes(fill(path, "a") + b"torn")
    assert RecordFile(path).rewrite(lambda found: None if found.task.id == "a" else found) == 1
    assert path.read_bytes() == b""
    assert path.with_suffix(".torn").read_bytes() == b"torn\n"


def test_lone_surrogates_are_escaped_and_stay_distinct(path):
    attempt = record("a").attempts[0].model_copy(update={"pair": pair_of("\ud83d", "\udc00")})
    with RecordFile(path) as records:
        records.append(record("a\udfff").model_copy(update={"attempts": (attempt,)}))
    (found,) = RecordFile(path)
    assert (found.task.id, found.pair.chosen.text, found.pair.rejected.text) == (r"a\udfff", r"\ud83d", r"\udc00")


@pytest.mark.parametrize("depth", [198, 300, 5000])
def test_record_that_could_not_be_read_back_is_not_written(path, depth):
    value = []
    for _ in range(depth):
        value = [value]
    broken = record("a").model_copy(update={"task": Task(id="a", prompt="x").model_copy(update={"metadata": {"deep": value}})})
    with RecordFile(path) as records, pytest.raises(DataError, match="task 'a'"):
        records.append(broken)
    assert path.read_bytes() == b""


FULL_DISK = """
import resource, sys
from anyprefer.data.records import RecordFile
from anyprefer.errors import RunFolderError
from anyprefer.types import PreferenceRecord, Task

path, limit = sys.argv[1], int(sys.argv[2])
with RecordFile(path) as records:
    records.append(PreferenceRecord(task=Task(id="first", prompt="x"), status="failed"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        records.append(PreferenceRecord(task=Task(id="second", prompt="x" * 1000), status="failed"))
    except RunFolderError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    records.append(PreferenceRecord(task=Task(id="third", prompt="x"), status="failed"))
"""


@pytest.mark.parametrize("limit", [0, 400, 700, 1000])
def test_write_that_hits_a_limit_leaves_no_trace(path, limit):
    """A file size limit takes a part of the line and refuses the rest, as a disk does that fills up."""
    command = [sys.executable, "-c", FULL_DISK, str(path), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert "File too large" in done.stdout
    assert "what was finished stays" in done.stdout
    assert RecordFile(path).ids() == {"first", "third"}
    assert path.read_bytes().count(b"\n") == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_full_disk_is_named(path):
    path.symlink_to("/dev/full")
    records = RecordFile(path)
    records._fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(RunFolderError, match=r"No space left on device; .*what was finished stays"):
        records.append(record("a"))
    os.close(records._fd)


def test_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "records.jsonl").mkdir()
    with pytest.raises(RunFolderError, match="cannot write"):
        RecordFile(tmp_path / "records.jsonl").open()
    with pytest.raises(RunFolderError, match="cannot write"):
        RecordFile(tmp_path / "missing" / "records.jsonl").open()
    with pytest.raises(RunFolderError, match="cannot read"):
        RecordFile(tmp_path / "records.jsonl").ids()


@settings(max_examples=50)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip), max_size=5))
def test_any_text_comes_back_equal_and_stays_on_its_line(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("run") / "records.jsonl"
    made = [record(str(number), text=text + "!") for number, text in enumerate(texts)]
    with RecordFile(path) as records:
        for one in made:
            records.append(one)
    assert list(RecordFile(path)) == made
    assert [json.loads(line)["task"]["id"] for line in path.read_bytes().split(b"\n")[:-1]] == [one.task.id for one in made]
