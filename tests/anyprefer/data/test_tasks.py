import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyprefer.data.blobs import BlobStore, hash_of
from anyprefer.data.columns import ROLES
from anyprefer.data.tasks import check_tasks, load_tasks
from anyprefer.errors import DataError
from anyprefer.types import Image, Message, PreferenceRecord, Task, Text

PNG = b"\x89PNG\r\n\x1a\n and so on"


def seen(text):
    """A prompt with the picture before its text."""
    return (Message(role="user", content=(Image(sha256=hash_of(PNG), media_type="image/png"), Text(text=text))),)


def write(tmp_path, *rows, name="tasks.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def error_of(path, **options):
    with pytest.raises(DataError) as caught:
        list(load_tasks(path, **options))
    return str(caught.value)


def test_plain_row(tmp_path):
    path = write(tmp_path, {"id": 7, "prompt": "x?", "reference": "x", "images": ["a.png"], "metadata": {"a": [1]}, "level": 2})
    (tmp_path / "a.png").write_bytes(PNG)
    (task,) = load_tasks(path)
    assert task == Task(id="7", prompt=seen("x?"), reference="x", metadata={"level": 2, "a": [1]})


@pytest.mark.parametrize("prompt", [*ROLES["prompt"], "Question", "INSTRUCTION", " query "])
@pytest.mark.parametrize("reference", [*ROLES["reference"], "Ground Truth"])
def test_field_aliases(tmp_path, prompt, reference):
    (task,) = load_tasks(write(tmp_path, {prompt: "2 + 2?", reference: "4\n#### 4"}))
    assert (task.prompt, task.answer, task.metadata) == ("2 + 2?", "4\n#### 4", {})


@pytest.mark.parametrize("name", ["prompt", "messages"])
def test_conversations_become_messages(tmp_path, name):
    (task,) = load_tasks(write(tmp_path, {name: [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}))
    assert task.prompt == (Message(role="system", content="s"), Message(role="user", content="u"))


def test_null_fields_count_as_absent(tmp_path):
    (task,) = load_tasks(write(tmp_path, {"prompt": "x", "question": None, "id": None, "answer": None, "metadata": None}))
    assert task == Task(prompt="x")


def test_blank_lines_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n\r\n  \n{"prompt": "b"}')
    assert [task.prompt for task in load_tasks(path)] == ["a", "b"]


def test_limit_leaves_the_rest_unread(tmp_path):
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"prompt": "a"}\n{"prompt": "b"}\nnot json\n')
    assert check_tasks(path, limit=2) == 2
    assert list(load_tasks(path, limit=0)) == []
    with pytest.raises(DataError):
        check_tasks(path, limit=3)


def test_an_application_reads_its_rows_itself(tmp_path):
    def read(where, row, folder, blobs=None):
        return Task(id=f"{folder.name}/{row['n']}", prompt=f"walk {row['n']} steps")

    assert [task.id for task in load_tasks(write(tmp_path, {"n": 1}, {"n": 2}), read=read)] == [
        f"{tmp_path.name}/{n}" for n in (1, 2)
    ]


def test_ids_hash_the_pictures_bytes_and_never_their_paths(tmp_path):
    def ids(folder, name, data):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
        return [task.id for task in load_tasks(write(folder, {"prompt": "x?", "images": [name]}))]

    first = ids(tmp_path / "a", "cat.png", PNG)
    assert ids(tmp_path / "b", "moved.png", PNG) == first
    assert ids(tmp_path / "a", "cat.png", PNG + b"another") != first


def test_pictures_are_kept_in_the_run_and_belong_to_the_users_message(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "x?"}]
    path = write(tmp_path, {"messages": messages, "images": ["a.png"]})
    store = BlobStore(tmp_path / "blobs")
    (task,) = load_tasks(path, blobs=store)
    assert store.get(task.images[0].sha256) == PNG
    assert task.messages == (Message(role="system", content="s"), *seen("x?"))


@pytest.mark.parametrize(("data", "words"), [(None, "cannot read the image"), (b"<svg/>", "no PNG, JPEG, GIF or WebP picture")])
def test_a_picture_that_cannot_be_used_is_named(tmp_path, data, words):
    if data is not None:
        (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match=rf"line 1: .*{words}"):
        check_tasks(write(tmp_path, {"prompt": "x?", "images": ["a.png"]}))


def test_a_pipe_is_no_picture_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"cannot read the image .*it is no file"):
        check_tasks(write(tmp_path, {"prompt": "x?", "images": ["a.png"]}))


def test_a_single_picture_is_a_picture_too(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    (task,) = load_tasks(write(tmp_path, {"prompt": "x?", "image": "a.png"}))
    assert (task.prompt, task.metadata) == (seen("x?"), {})
    assert "both 'images' and 'image'" in error_of(write(tmp_path, {"prompt": "x?", "image": "a.png", "images": ["a.png"]}))


def test_pictures_are_refused_in_one_line_until_a_role_can_see(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    path = write(tmp_path, {"prompt": "x?", "images": ["a.png"]})
    with pytest.raises(DataError, match="no role of this recipe can see") as caught:
        check_tasks(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"not json", ["not JSON", "'not json'", "column 1"]),
        (b'{"prompt": "x"', ["not JSON"]),
        (b"[" * 100_000, ["not JSON"]),
        (b'{"prompt": "x", "a": NaN}', ["not JSON", "NaN"]),
        (b'["x"]', ["not a JSON object", "'x'"]),
        (b'{"text": "x"}', ["no prompt", "question", "text"]),
        (b"{}", ["no prompt"]),
        (b'{"prompt": 5}', ["prompt = 5", "string"]),
        (b'{"prompt": {"a": 1}}', ["prompt = {'a': 1}", "string"]),
        (b'{"prompt": " \\n"}', ["prompt is empty"]),
        (b'{"prompt": []}', ["prompt is empty"]),
        (b'{"prompt": ["x"]}', ["no list of messages"]),
        (b'{"prompt": [{"role": "robot", "content": "x"}]}', ["no list of messages", "role"]),
        (b'{"messages": [{"role": "assistant", "content": "y"}]}', ["must be 'user'"]),
        (b'{"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]}', ["must be 'user'"]),
        (b'{"messages": "[{"}', ["'messages' must hold JSON"]),
        (b'{"prompt": "x", "prompt": "y"}', ["'prompt' stands there twice"]),
        (b'{"prompt": [{"role": "assistant", "tool_calls": [{"function": "f"}]}]}', ["no list of messages", "'f'"]),
        (b'{"prompt": [{"role": "assistant", "tool_calls": 5}]}', ["no list of messages", "tool_calls"]),
        (b'{"prompt": [{"role": "developer", "content": 5}]}', ["no list of messages", "content"]),
        (b'{"prompt": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": "' + b"[" * 100_000 + b'"}]}]}', ["[[["]),
        (b'{"prompt": "x", "question": "y"}', ["'prompt' and 'question'", "keep one"]),
        (b'{"prompt": "x", "answer": "y", "output": "z"}', ["'answer' and 'output'"]),
        (b'{"prompt": "x", "answer": {"a": 1}}', ["answer = {'a': 1}", "--map metadata=answer"]),
        (b'{"prompt": "x", "answer": {"kind": "reply"}}', ["is no output", "messages"]),
        (b'{"prompt": "x", "images": "a.png"}', ["images = 'a.png'"]),
        (b'{"prompt": "x", "metadata": 3}', ["metadata = 3"]),
        (b'{"prompt": "x", "a": 1, "metadata": {"a": 2}}', ["'a'", "metadata"]),
        (b'{"prompt": "x", "id": true}', ["id = True"]),
        (b'{"prompt": "x", "a": ' + b"[" * 100 + b"]" * 100 + b"}", ["nested"]),
    ],
)
def test_bad_line_is_named(tmp_path, line, words):
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b'{"prompt": "fine"}\n\n' + line + b"\n")
    message = error_of(path)
    assert f"{path} line 3" in message
    assert len(message) < 600
    for word in words:
        assert word in message


def test_text_that_is_not_utf8_is_named_by_line_and_offset(tmp_path):
    path = tmp_path / "tasks.jsonl"
    content = b'{"prompt": "fine"}\n{"prompt": "caf\xe9"}\n'
    path.write_bytes(content)
    assert f"offset {content.index(0xE9)} " in error_of(path)
    assert "line 2" in error_of(path)


def test_long_prompt_is_named_by_length_and_limit(tmp_path):
    path = write(tmp_path, {"prompt": "fine"}, {"prompt": "x" * 2**20})
    assert "line 2: the prompt has 1,048,576 characters, more than the limit of 200,000" in error_of(path)
    assert len(error_of(path)) < 300
    assert len(list(load_tasks(path, max_prompt_chars=2**20))) == 2


def test_duplicate_ids_name_both_lines(tmp_path):
    message = error_of(write(tmp_path, {"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}, {"id": "a", "prompt": "z"}))
    assert "line 3 has the id 'a' of line 1" in message


def test_duplicate_prompts_without_ids_say_so(tmp_path):
    message = error_of(write(tmp_path, {"prompt": "x"}, {"prompt": "x"}))
    assert "line 2 has the same prompt as line 1" in message
    assert "'id'" in message
    assert check_tasks(write(tmp_path, {"id": "1", "prompt": "x"}, {"id": "2", "prompt": "x"})) == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.jsonl", None, "does not exist"),
        ("empty.jsonl", b"", "has no tasks"),
        ("blank.jsonl", b"\n \n", "has no tasks"),
        ("header.csv", b"prompt,answer\n", "has no tasks"),
        ("tasks.txt", b"x", "is none of .jsonl, "),
        ("tasks.xlsx", b"PK\x03\x04 and so on", "Excel"),
        ("tasks.csv", "question\nx\n".encode("utf-16"), "UTF-16"),
        ("zero.csv", b"question\nx\0\n", "line 2 holds a zero byte"),
        ("folder.jsonl/none", None, "does not exist"),
        ("broken.parquet", b"x" * 100, "not a readable Parquet file"),
    ],
)
def test_unusable_file(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert words in error_of(path)
    assert name in error_of(path)


def test_folder_without_data_is_refused(tmp_path):
    assert "cannot load the dataset" in error_of(tmp_path)


@pytest.mark.parametrize("saved", [True, False])
def test_dataset_folder(tmp_path, saved):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list([{"question": f"q{i}", "answer": str(i)} for i in range(3)])
    folder = tmp_path / "data"
    if saved:
        rows.save_to_disk(folder)
    else:
        folder.mkdir()
        rows.to_parquet(folder / "train-0.parquet")
    assert [task.text for task in load_tasks(folder)] == ["q0", "q1", "q2"]
    assert [task.answer for task in load_tasks(folder, limit=2)] == ["0", "1"]


def test_dataset_with_several_splits_names_them(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list([{"question": "q"}])
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(tmp_path / "data")
    assert "has the splits train, test" in error_of(tmp_path / "data")
    (task,) = load_tasks(f"{tmp_path / 'data'}:test")
    assert task.text == "q"


def test_csv(tmp_path):
    path = tmp_path / "tasks.csv"
    path.write_text('id,question,answer,images,level\na,"two, lines\nhere",4,"[""p.png""]",\nb,x,,,hard\n')
    (tmp_path / "p.png").write_bytes(PNG)
    first, second = load_tasks(path)
    assert first == Task(id="a", prompt=seen("two, lines\nhere"), reference="4")
    assert second == Task(id="b", prompt="x", metadata={"level": "hard"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("prompt\nx\ny,z\n", ["line 3", "more cells"]),
        ('prompt\n"x\n', ["line 2", "not CSV"]),
        ("prompt,metadata\nx,{\n", ["line 2", "'metadata'", "JSON"]),
        ("prompt,level\nx,1\ny\n", ["line 3", "fewer cells"]),
        ("prompt,level,prompt\nx,1,y\n", ["line 1", "two columns are called 'prompt'"]),
        (",prompt\nsome words,x\n", ["line 2", "'some words'", "without a name"]),
        ("prompt\nx\ry\nz\n", ["line 2", "line ends"]),
        ("prompt\n" + "x" * 200_001 + "\n", ["line 2", "200,001 characters"]),
    ],
)
def test_bad_csv_is_named(tmp_path, content, words):
    path = tmp_path / "tasks.csv"
    path.write_text(content)
    assert all(word in error_of(path) for word in words)


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {"messages": [{"role": "user", "content": f"{i}?"}], "answer": str(i), "when": None, "share": float("nan")}
        for i in range(200)
    ]
    path = tmp_path / "tasks.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    tasks = list(load_tasks(path))
    assert [task.text for task in tasks] == [f"[user]\n{i}?" for i in range(200)]
    assert tasks[7].answer == "7"
    assert tasks[7].metadata == {"share": None}


def test_parquet_bytes_are_refused(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "tasks.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([{"prompt": "x", "sound": b"RIFF"}]), path)
    assert "row 1: a field holds 4 bytes" in error_of(path)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("recipes/text/data/gsm8k_24.jsonl", 24),
        ("recipes/text/data/arc_easy_24.jsonl", 24),
        ("recipes/text/data/quickstart.jsonl", 4),
        ("benchmarks/data/gsm8k_responses.jsonl", 227),
        ("tests/fixtures/run_before/tasks.jsonl", 14),
        ("tests/fixtures/reference_before/tasks.jsonl", 3),
    ],
)
def test_every_task_file_of_the_repository_loads_as_it_is(request, name, count):
    assert check_tasks(request.config.rootpath / name) == count


def test_bundled_problems_load(request):
    tasks = list(load_tasks(request.config.rootpath / "recipes" / "text" / "data" / "gsm8k_24.jsonl"))
    assert len(tasks) == 24
    assert all(len(task.text) < 250 and "\n#### " in task.answer for task in tasks)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(prompt=st.text(st.characters(), min_size=1).filter(str.strip), extra=st.dictionaries(st.text(), JSON, max_size=4))
def test_any_task_equals_its_stored_copy(tmp_path_factory, prompt, extra):
    """Lone surrogates and deep values included: what a run stores is what the file said."""
    path = write(tmp_path_factory.mktemp("tasks"), {"prompt": prompt, "metadata": extra})
    (task,) = load_tasks(path)
    record = PreferenceRecord(task=task, status="failed")
    assert PreferenceRecord.model_validate_json(record.model_dump_json()) == record
    if not any(0xD800 <= ord(letter) < 0xE000 for letter in prompt):
        assert task.prompt == prompt
