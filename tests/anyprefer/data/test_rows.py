"""Every format gives the same ten rows, whatever the file is called."""

import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyprefer.data import json_rows, rows, unpack
from anyprefer.data.rows import read_rows
from anyprefer.data.tasks import load_tasks
from anyprefer.errors import DataError

pyarrow = pytest.importorskip("pyarrow")

from pyarrow import feather, parquet  # noqa: E402

ROWS = [
    {"id": f"r{i}", "question": f'What is {i} + {i}?\n"Quoted", with; a|few\tmarks, é', "answer": str(2 * i), "level": str(i)}
    for i in range(10)
]


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(delimiter: str, **options: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ROWS[0], delimiter=delimiter, **options)
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue()


def written(write: Callable[[Any, Any], Any]) -> bytes:
    file = io.BytesIO()
    write(pyarrow.Table.from_pylist(ROWS), file)
    return file.getvalue()


def stream(content: Any, file: Any) -> None:
    with pyarrow.ipc.new_stream(file, content.schema) as out:
        out.write_table(content, max_chunksize=3)


def zstd(data: bytes) -> bytes:
    packed: bytes = pyarrow.Codec("zstd").compress(data, asbytes=True)
    return packed


FILES: dict[str, bytes] = {
    "lines.jsonl": lines(ROWS).encode(),
    "lines.ndjson": b"\xef\xbb\xbf\r\n" + lines(ROWS).replace("\n", "\r\n").encode(),
    "lines-called.json": lines(ROWS).encode(),
    "list.json": json.dumps(ROWS).encode(),
    "indented.json": b"\xef\xbb\xbf" + json.dumps(ROWS, indent=2, ensure_ascii=False).encode(),
    "list-called.jsonl": json.dumps(ROWS, indent=1).encode(),
    "wrapped.json": json.dumps({"version": "1.0", "count": 10, "data": ROWS, "tags": ["a"]}).encode(),
    "indented-wrapped.json": json.dumps({"info": {"by": "us"}, "rows": ROWS}, indent=4).encode(),
    "objects.json": "\n".join(json.dumps(row, indent=2) for row in ROWS).encode(),
    "no suffix": lines(ROWS).encode(),
    "lines-called.csv": lines(ROWS).encode(),
    "comma.csv": table(",").encode(),
    "semicolon.csv": b"\xef\xbb\xbf" + table(";", quoting=csv.QUOTE_ALL).encode(),
    "tab.csv": table("\t").encode(),
    "pipe.csv": table("|").encode(),
    "excel.csv": b"sep=;\r\n" + table(";").encode(),
    "blank lines.csv": b"\n" + table(",").replace("\r\n", "\r\n\r\n").encode() + b",,,\n",
    "table.tsv": table("\t").encode(),
    "comma-called.tsv": table(",").encode(),
    "table.parquet": written(lambda content, file: parquet.write_table(content, file, row_group_size=4)),
    "parquet-called.jsonl": written(parquet.write_table),
    "file.arrow": written(lambda content, file: feather.write_feather(content, file, compression="uncompressed", chunksize=4)),
    "packed.feather": written(lambda content, file: feather.write_feather(content, file, compression="zstd")),
    "stream.arrow": written(stream),
    "lines.jsonl.gz": gzip.compress(lines(ROWS).encode()),
    "twice.jsonl.gz": gzip.compress(lines(ROWS[:4]).encode()) + gzip.compress(lines(ROWS[4:]).encode()),
    "list.json.gz": gzip.compress(json.dumps(ROWS).encode()),
    "packed-called.csv": gzip.compress(table(";").encode()),
    "comma.csv.gz": gzip.compress(table(",").encode()),
    "lines.jsonl.zst": zstd(lines(ROWS).encode()),
    "table.tsv.zst": zstd(table("\t").encode()),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_ten_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    assert [row for _, row in read_rows(path)] == ROWS
    tasks = list(load_tasks(path))
    assert [task.id for task in tasks] == [row["id"] for row in ROWS]
    assert tasks[3].prompt == ROWS[3]["question"]
    assert tasks[3].answer == "6"
    assert all(where.startswith(str(path)) for where, _ in read_rows(path))


def refuse(path: Path, content: bytes, *words: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(load_tasks(path))
    message = str(caught.value)
    assert len(message) < 500
    assert "\n" not in message
    for word in (path.name, *words):
        assert word in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b'[{"prompt": "x"}, 5]', ["row 2", "not a JSON object", "5"]),
        ("a.json", b'[\n{"prompt": "x"},\n{"prompt": y}]', ["line 3", "Expecting value"]),
        ("a.json", b'[{"prompt": "x"},]', ["line 1", "comma before ']'"]),
        ("a.json", b'[{"prompt": "x"}] and more', ["behind the last row"]),
        ("a.json", b'[{"prompt": "x"}', ["expecting ','"]),
        ("a.json", b'[{"prompt": "x', ["Unterminated string"]),
        ("a.json", b'[{"prompt": NaN}]', ["NaN is no JSON value"]),
        ("a.json", b'[{"prompt": "x", "prompt": "y"}]', ["'prompt' stands there twice"]),
        ("a.json", b"[" * 100_000, ["line 1", "nested too deep"]),
        ("a.json", b'{"a": [{"prompt": "x"}], "b": [{"prompt": "y"}]}', ["two lists of rows, 'a' and 'b'"]),
        ("a.json", b'{"version": 1, "rows": "none"}', ["line 1 has no prompt", "version, rows"]),
        ("a.json", b'{"data": []}', ["has no prompt"]),
        ("a.json", b"hello", ["line 1 is not JSON"]),
        ("a.json", b"", ["has no tasks"]),
        ("a.json", '[{"prompt": "é"}]'.encode("latin-1"), ["not UTF-8", "offset 13"]),
        ("a.jsonl.gz", gzip.compress(b'{"prompt": "x"}\n', mtime=0)[:-6], ["damaged"]),
        ("a.jsonl.zst", b"\x28\xb5\x2f\xfd garbage of some length", ["damaged"]),
        ("a.parquet.gz", gzip.compress(b"PAR1 and so on", mtime=0), ["packed twice"]),
        ("a.jsonl.bz2", b"BZh91AY", ["bzip2"]),
        ("a.arrow", b"ARROW1\0\0 and so on", ["not a readable Arrow file"]),
        ("a.arrow", b"\xff\xff\xff\xff\x10\0\0\0 and so on", ["not a readable Arrow file"]),
        ("a.feather", FILES["packed.feather"][:300], ["not a readable Arrow file"]),
    ],
)  # fmt: skip
def test_damaged_file_is_named_with_its_problem(tmp_path: Path, name: str, content: bytes, words: list[str]) -> None:
    refuse(tmp_path / name, content, *words)


def test_two_columns_of_one_name_are_refused_in_any_table(tmp_path: Path) -> None:
    twice = pyarrow.table([["a"], ["b"]], names=["prompt", "prompt"])
    feather.write_feather(twice, tmp_path / "twice.feather")
    with pytest.raises(DataError, match=r"twice\.feather: two columns are called 'prompt'"):
        list(read_rows(tmp_path / "twice.feather"))


def test_pipe_is_no_task_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file that can be read twice"):
        list(read_rows("/dev/null"))


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(unpack, "FREE_BYTES", 2**20)
    text = b"\n" * 2**23
    refuse(tmp_path / f"bomb.jsonl.{suffix}", gzip.compress(text) if suffix == "gz" else zstd(text), "unpacks to more than")


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", b'{"prompt": "%s"}\n'), ("a.json", b'[{"prompt": "%s"}]')])
def test_row_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> None:
    monkeypatch.setattr(unpack, "MAX_ROW", 2**18)
    monkeypatch.setattr(json_rows, "MAX_ROW", 2**18)
    refuse(tmp_path / name, content % (b"x" * 2**20), "longer than 262,144")


@pytest.mark.parametrize("content", ["[%s]", '{"name": "n", "rows": [%s]}'])
def test_list_is_read_row_by_row(tmp_path: Path, content: str) -> None:
    path = tmp_path / "large.json"
    path.write_text(content % ",\n".join(json.dumps({"id": i, "prompt": f"q{i} " * 200}) for i in range(20_000)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_rows(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 4 * 2**20 < path.stat().st_size / 4


def test_first_line_that_is_longer_than_what_is_looked_at_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_HEAD", 64)
    path = tmp_path / "a.jsonl"
    path.write_text(lines(ROWS))
    assert [row for _, row in read_rows(path)] == ROWS
    path.write_text(json.dumps({"data": ROWS}))
    assert [row for _, row in read_rows(path)] == ROWS


@pytest.mark.parametrize("indent", [None, 2])
def test_single_row_with_a_conversation_under_another_name_is_no_wrapper(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"id": 1, "turns": [{"role": "user", "content": "q"}]}, indent=indent))
    (task,) = load_tasks(path, columns={"prompt": "turns"})
    assert task.text == "[user]\nq"


def test_keys_that_arrow_gives_every_object_are_absent(tmp_path: Path) -> None:
    messages = [
        [{"role": "user", "content": "Weather in Rome?"}],
        [
            {"role": "user", "content": "And Paris?", "name": "Ann"},
            {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}]},
            {"role": "tool", "content": "18 C", "tool_call_id": "c"},
        ],
    ]
    parquet.write_table(pyarrow.Table.from_pylist([{"messages": one} for one in messages]), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text(lines([{"messages": one} for one in messages]))
    assert list(load_tasks(tmp_path / "a.parquet")) == list(load_tasks(tmp_path / "a.jsonl"))


CELLS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), min_size=1).filter(str.strip)


@settings(max_examples=60)
@given(cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4), delimiter=st.sampled_from(",;\t|"))
def test_any_cell_comes_back_from_any_csv(tmp_path_factory: Any, cells: list[tuple[str, str]], delimiter: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([("prompt", "answer"), *cells])
    assert [(row["prompt"], row["answer"]) for _, row in read_rows(path)] == cells


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(found=st.lists(st.dictionaries(st.text(), VALUES, max_size=4), min_size=1, max_size=4), indent=st.none() | st.just(1))
def test_any_list_of_objects_comes_back_from_json(tmp_path_factory: Any, found: list[dict[str, Any]], indent: int | None) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(found, indent=indent))
    assert [row for _, row in read_rows(path)] == found


@settings(max_examples=80)
@given(data=st.binary(max_size=200), name=st.sampled_from(sorted(FILES)), cut=st.floats(0, 1))
def test_no_file_ends_in_anything_but_a_data_error(tmp_path_factory: Any, data: bytes, name: str, cut: float) -> None:
    path = tmp_path_factory.mktemp("any") / name
    whole = FILES[name]
    place = int(cut * len(whole))
    for content in (data, whole[:place], whole[:place] + data + whole[place:], whole[:place] + data):
        path.write_bytes(content)
        try:
            list(load_tasks(path))
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017 - most, but not all, are damaged
