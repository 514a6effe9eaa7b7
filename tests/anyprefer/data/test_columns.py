"""What columns mean: the layouts that people keep their rows in, and columns whose names say nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyprefer.config import ColumnsConfig
from anyprefer.data.column_map import ColumnMap, parse_map
from anyprefer.data.columns import METADATA, ROLES, holds_text, role_of
from anyprefer.data.tasks import load_tasks
from anyprefer.errors import ConfigError, DataError
from anyprefer.types import Image, Message, Reply, Task, Text, ToolResult, ToolUse, content_id

Row = dict[str, Any]


def write(tmp_path: Path, *rows: Row) -> Path:
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(tmp_path: Path, *rows: Row, **columns: Any) -> list[Task]:
    return list(load_tasks(write(tmp_path, *rows), columns=columns))


def refused(tmp_path: Path, row: Row, **columns: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, row, **columns)
    return str(caught.value)


def user(text: str) -> Message:
    return Message(role="user", content=text)


def assistant(text: str) -> Message:
    return Message(role="assistant", content=text)


def system(text: str) -> Message:
    return Message(role="system", content=text)


def openai(*turns: tuple[str, str]) -> list[Row]:
    return [{"role": role, "content": text} for role, text in turns]


def sharegpt(*turns: tuple[str, str]) -> list[Row]:
    return [{"from": role, "value": text} for role, text in turns]


CALL = {"name": "add", "arguments": {"a": 1}}
SHARED_CALL = (
    user("add"), Message(role="assistant", content=(ToolUse(id="call_0", name="add", args={"a": 1}),)),
    Message(role="tool", content=(ToolResult(id="call_0", content="2"),)),
)  # fmt: skip

LAYOUTS: dict[str, tuple[Callable[[int], Row], Callable[[int], Any], Callable[[int], Any], Callable[[int], Row]]] = {
    "question and answer": (
        lambda i: {"question": f"q{i}", "answer": f"a{i}"}, lambda i: f"q{i}", lambda i: f"a{i}", lambda i: {},
    ),
    "Alpaca": (
        lambda i: {"instruction": f"do {i}", "input": f"with {i}", "output": f"o{i}"},
        lambda i: f"do {i}\n\nwith {i}", lambda i: f"o{i}", lambda i: {},
    ),
    "Alpaca without input": (
        lambda i: {"instruction": f"do {i}", "input": "", "output": "o"}, lambda i: f"do {i}", lambda i: "o", lambda i: {},
    ),
    "Alpaca with system and history": (
        lambda i: {
            "instruction": f"do {i}", "input": f"with {i}", "output": "o", "system": "brief", "history": [["q", "a"], ["r", ""]],
        },
        lambda i: (system("brief"), user("q"), assistant("a"), user("r"), user(f"do {i}\n\nwith {i}")),
        lambda i: "o", lambda i: {},
    ),
    "input and target": (lambda i: {"input": f"x{i}", "target": f"y{i}"}, lambda i: f"x{i}", lambda i: f"y{i}", lambda i: {}),
    "prompt and system": (
        lambda i: {"prompt": f"p{i}", "system_prompt": "s"}, lambda i: (system("s"), user(f"p{i}")), lambda i: "", lambda i: {},
    ),
    "Dolly": (
        lambda i: {"instruction": f"when {i}", "context": f"in {i}", "response": f"{i}", "category": "closed_qa"},
        lambda i: f"<context>\nin {i}\n</context>\n\nwhen {i}", lambda i: f"{i}", lambda i: {"category": "closed_qa"},
    ),
    "two contexts, one a list and one an object": (
        lambda i: {"passages": ["one", f"two {i}"], "document": {"n": i}, "query": "q?", "id": i},
        lambda i: f'<passages>\none\n\ntwo {i}\n</passages>\n\n<document>\n{{"n": {i}}}\n</document>\n\nq?',
        lambda i: "", lambda i: {},
    ),
    "SQuAD": (
        lambda i: {"id": i, "context": f"c{i}", "question": "q?", "answers": {"text": [f"a{i}", "b"], "answer_start": [1, 2]}},
        lambda i: f"<context>\nc{i}\n</context>\n\nq?", lambda i: f"a{i}",
        lambda i: {"answers": {"text": [f"a{i}", "b"], "answer_start": [1, 2]}},
    ),
    "OpenAI": (
        lambda i: {"messages": openai(("developer", "d"), ("user", f"u{i}"))},
        lambda i: (system("d"), user(f"u{i}")), lambda i: "", lambda i: {},
    ),
    "text parts, null keys and keys about a message": (
        lambda i: {"messages": [{
            "role": "user", "name": None, "tool_calls": None, "weight": 0, "id": "m1", "refusal": None,
            "content": [{"type": "input_text", "text": f"u{i}"}, {"type": "text", "text": "v", "image_url": None}, "w"],
        }]},
        lambda i: (Message(role="user", content=(Text(text=f"u{i}"), Text(text="v"), Text(text="w"))),),
        lambda i: "", lambda i: {},
    ),
    "OpenAI with calls": (
        lambda i: {
            "messages": [
                {"role": "user", "content": f"u{i}"},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {
                    "name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "18 C"},
                {"role": "assistant", "function_call": {"name": "g", "arguments": '{"a": 1}'}},
                {"role": "function", "name": "g", "content": "rain"},
            ],
            "tools": json.dumps([{"name": "f"}, {"name": "g"}]),
        },
        lambda i: (
            user(f"u{i}"), Message(role="assistant", content=(ToolUse(id="c", name="f"),)),
            Message(role="tool", content=(ToolResult(id="c", content="18 C"),)),
            Message(role="assistant", content=(ToolUse(name="g", args={"a": 1}),)),
            Message(role="tool", content="rain", name="g"),
        ),
        lambda i: "", lambda i: {},
    ),
    "OpenAI that ends with the assistant": (
        lambda i: {"messages": [*openai(("user", f"u{i}")), {"role": "assistant", "content": "a", "reasoning": f"t{i}"}]},
        lambda i: (user(f"u{i}"),), lambda i: "a", lambda i: {},
    ),
    "ShareGPT": (
        lambda i: {"id": f"s{i}", "conversations": sharegpt(("system", "s"), ("human", f"h{i}"), ("gpt", "g"), ("human", "i"))},
        lambda i: (system("s"), user(f"h{i}"), assistant("g"), user("i")), lambda i: "", lambda i: {},
    ),
    "ShareGPT that ends with the assistant": (
        lambda i: {"conversations": sharegpt(("human", f"h{i}"), ("gpt", f"g{i}"))}, lambda i: (user(f"h{i}"),),
        lambda i: f"g{i}", lambda i: {},
    ),
    "ShareGPT with calls": (
        lambda i: {
            "conversations": sharegpt(
                ("human", "add"), ("function_call", json.dumps(CALL)), ("observation", "2"), ("gpt", f"g{i}")
            ),
            "tools": json.dumps([{"name": f"add{i}"}]),
        },
        lambda i: SHARED_CALL, lambda i: f"g{i}", lambda i: {},
    ),
    "ShareGPT under OpenAI's keys": (
        lambda i: {"conversations": openai(("user", f"h{i}"))}, lambda i: (user(f"h{i}"),), lambda i: "", lambda i: {},
    ),
    "prompt and completion as messages": (
        lambda i: {"prompt": openai(("user", f"p{i}")), "completion": openai(("assistant", f"c{i}"))},
        lambda i: (user(f"p{i}"),), lambda i: f"c{i}", lambda i: {},
    ),
    "history as messages": (
        lambda i: {"chat_history": openai(("system", "s"), ("user", "a"), ("assistant", "b")), "question": f"q{i}"},
        lambda i: (system("s"), user("a"), assistant("b"), user(f"q{i}")), lambda i: "", lambda i: {},
    ),
    "context of a conversation": (
        lambda i: {"messages": openai(("user", "a"), ("assistant", "b"), ("user", f"q{i}")), "background": "c", "input": "d"},
        lambda i: (user("a"), assistant("b"), user(f"<background>\nc\n</background>\n\nq{i}\n\nd")), lambda i: "", lambda i: {},
    ),
    "whole numbers": (lambda i: {"prompt": f"p{i}", "answer": i}, lambda i: f"p{i}", lambda i: f"{i}", lambda i: {}),
    "other numbers": (lambda i: {"prompt": f"p{i}", "answer": i + 0.5}, lambda i: f"p{i}", lambda i: f"{i}.5", lambda i: {}),
    "whole numbers as Parquet has them": (
        lambda i: {"id": float(i), "prompt": "p", "label": float(i)}, lambda i: "p", lambda i: f"{i}", lambda i: {},
    ),
    "yes and no": (lambda i: {"prompt": f"p{i}", "label": True}, lambda i: f"p{i}", lambda i: "true", lambda i: {}),
    "several acceptable answers": (
        lambda i: {"prompt": f"p{i}", "answer": [i, "x"]}, lambda i: f"p{i}", lambda i: f"{i}", lambda i: {"answer": [i, "x"]},
    ),
    "no acceptable answer": (lambda i: {"prompt": f"p{i}", "answers": []}, lambda i: f"p{i}", lambda i: "", lambda i: {}),
    "metadata of all kinds": (
        lambda i: {
            "prompt": f"p{i}", "source": "book", "Question ID": "q-1", "doc_url": "http://a", "score": 0.5, "when": "2024-05-01",
            "tests": "assert f()", "metadata": {"k": [1]},
        },
        lambda i: f"p{i}", lambda i: "",
        lambda i: {
            "source": "book", "Question ID": "q-1", "doc_url": "http://a", "score": 0.5, "when": "2024-05-01",
            "tests": "assert f()", "k": [1],
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read_as_the_trainers_read_it(tmp_path: Path, name: str) -> None:
    row, prompt, answer, metadata = LAYOUTS[name]
    tasks = read(tmp_path, *map(row, range(10)))
    assert [task.prompt for task in tasks] == [prompt(i) for i in range(10)]
    assert [task.answer for task in tasks] == [answer(i) for i in range(10)]
    assert [task.metadata for task in tasks] == [metadata(i) for i in range(10)]


@pytest.mark.parametrize("role", ["prompt", "reference", "context", "system"])
def test_every_name_of_a_role_means_the_same(tmp_path: Path, role: str) -> None:
    for name in ROLES[role]:
        (task,) = read(tmp_path, {**({} if role == "prompt" else {"prompt": "p"}), name: "text"})
        assert "text" in (task.answer if role == "reference" else task.text), name
        assert task.metadata == {}, name


def test_thoughts_and_calls_of_the_cut_off_end_are_kept(tmp_path: Path) -> None:
    ends = [
        {"role": "assistant", "content": "<think>two and two</think>4"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "function": CALL}]},
    ]
    thought, call = read(tmp_path, *({"messages": [*openai(("user", f"{i}")), end]} for i, end in enumerate(ends)))
    assert thought.reference == Reply.of("4", "two and two")
    assert isinstance(call.reference, Reply)
    assert [use.name for use in call.reference.calls] == ["add"]


def test_end_of_a_conversation_and_a_reference_that_agree_are_one(tmp_path: Path) -> None:
    turns = openai(("user", "2 + 2?"), ("assistant", "4"))
    assert [task.answer for task in read(tmp_path, {"messages": turns, "answer": 4})] == ["4"]
    assert [task.answer for task in read(tmp_path, {"messages": turns, "answer": ""})] == ["4"]
    message = refused(tmp_path, {"messages": turns, "answer": "5"})
    assert all(word in message for word in ("line 1 ends in an answer of the assistant", "'4'", "'5'", "--map metadata=answer"))
    (task,) = read(tmp_path, {"messages": turns, "answer": "5"}, metadata="answer")
    assert (task.answer, task.metadata) == ("4", {"answer": "5"})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "x", "hint": "Think of tea."}, ["'hint'", "'Think of tea.'", "--map context=hint", "--map metadata=hint"]),
        ({"prompt": "x", "options": ["red", "blue"]}, ["'options'"]),
        ({"prompt": "x", "extra": {"a": [{"b": "c"}]}}, ["'extra'"]),
        ({"question": "x", "choices": {"text": ["a", "b"]}}, ["'choices'"]),
        ({"prompt": "x", "my 'own' notes": "n"}, ["--map 'context=my '\"'\"'own'\"'\"' notes'"]),
        ({"prompt": "x", "a\x1b[2J\nb": "n"}, ["'a\\x1b[2J\\nb'"]),
        ({f"column {i}\n": i for i in range(200)}, ["no prompt", "'column 0\\n'", "..."]),
        ({"story": "once upon"}, ["no prompt", "has story", "--map prompt=COLUMN"]),
        (
            {"problem": "x", "solution": "s", "answer": "a"},
            ["'answer' and 'solution'", "--map reference=answer,metadata=solution"],
        ),
        ({"prompt": "x", "completion": "c", "label": True}, ["'completion' and 'label'"]),
        ({"prompt": "2 + 2?", "choices": ["3", "4"], "answer": 1}, ["'choices'", "--map context=choices"]),
        ({"prompt": "2 + 2?", "Options": {"1": 3, "2": 4}}, ["'Options'", "--map context=Options"]),
        ({"prompt": "x", "chosen": "a", "rejected": "b"}, ["preference pair", "--judge-existing"]),
        ({"messages": openai(("system", "a"), ("user", "x")), "system": "b"}, ["system message 'a'", "'b'"]),
        ({"prompt": "x", "history": "a, then b"}, ["history = 'a, then b'", "neither", "--map context=history"]),
        ({"prompt": "x", "history": ["a", "b"]}, ["neither a list of messages nor of [user, assistant] pairs"]),
        ({"prompt": "x", "history": [["a", "b", "c"]]}, ["['a', 'b', 'c']"]),
        ({"prompt": "x", "system": ["a"]}, ["system = ['a'] is no text"]),
        ({"conversations": sharegpt(("alien", "x"))}, ["no list of messages", "role"]),
        ({"conversations": sharegpt(("human", "x"), ("function_call", "f()"), ("human", "y"))}, ["no list of messages"]),
        ({"messages": [{"role": "user", "content": "x", "attachment": "a page"}]}, ["attachment"]),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]}, ["'image_url'"]),
        ({"messages": openai(("tool", "t")), "context": "c"}, ["no question to give a context to"]),
        ({"prompt": "x", "completion": openai(("user", "u"))}, ["no message of the assistant"]),
        ({"prompt": "x", "metadata": "not json"}, ["'metadata' must hold JSON"]),
        ({"prompt": "x", "tools": '{"name": "f"}'}, ["no list of JSON schemas"]),
        ({"prompt": "x", "id": 1.5}, ["id = 1.5"]),
    ],
)
def test_row_that_says_too_little_or_too_much_is_refused(tmp_path: Path, row: Row, words: list[str]) -> None:
    message = refused(tmp_path, row)
    assert "line 1" in message
    assert all(word in message for word in words), message
    assert len(message) < 700
    assert message.isprintable()


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("", False), ("42", False), ("-1.5e-3", False), ("$1,234.50", False), ("45 %", False), ("2024-05-01T10:00:00Z", False),
        ("true", False), ("N/A", False), ("???", False), (5, False), (None, False), (["1", {"a": "2"}], False),
        ("B", True), ("no way", True), ("1 apple", True), ("жук", True), ("猫", True), ({"a": ["x"]}, True),
    ],
)  # fmt: skip
def test_words_are_told_from_numbers(value: Any, wanted: bool) -> None:
    assert holds_text(value) is wanted


def test_other_names_are_mapped(tmp_path: Path) -> None:
    row = {"text": "p", "gold": 7, "notes": "n", "more": "m", "who": "w", "nr": 3, "sys": "s", "topic": "t"}
    (task,) = read(
        tmp_path,
        row,
        prompt="text",
        reference="gold",
        context=["notes", "more"],
        metadata=["who", "topic"],
        id="nr",
        system="sys",
    )
    assert task == Task(
        id="3",
        prompt=(system("s"), user("<context>\nn\n\nm\n</context>\n\np")),
        reference="7",
        metadata={"who": "w", "topic": "t"},
    )


def test_everything_without_a_meaning_can_be_metadata(tmp_path: Path) -> None:
    (task,) = read(tmp_path, {"question": "q", "system": "s", "notes": "n", "metadata": {"a": 1}, "b": None}, metadata="*")
    assert task == Task(prompt=(system("s"), user("q")), metadata={"a": 1, "notes": "n"})


def test_map_takes_a_column_away_from_what_its_name_says(tmp_path: Path) -> None:
    (task,) = read(
        tmp_path, {"prompt": "p", "context": "c", "chosen": "x", "rejected": "y"}, metadata=["context", "chosen", "rejected"]
    )
    assert task == Task(prompt="p", metadata={"context": "c", "chosen": "x", "rejected": "y"})
    (task,) = read(tmp_path, {"answer": "the task", "prompt": "the answer"}, prompt="answer", reference="prompt")
    assert task == Task(prompt="the task", reference="the answer")


def test_map_and_usual_context_go_together(tmp_path: Path) -> None:
    (task,) = read(tmp_path, {"prompt": "p", "context": "c", "notes": "n"}, context="notes")
    assert task.prompt == "<context>\nc\n\nn\n</context>\n\np"


def test_conversation_under_another_name_may_be_json_text(tmp_path: Path) -> None:
    (task,) = read(tmp_path, {"dialog": json.dumps(sharegpt(("human", "h")))}, prompt="dialog")
    assert task.prompt == (user("h"),)


def test_picture_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and so on")
    for value in ("a.png", ["a.png"]):
        (task,) = read(tmp_path, {"prompt": "p", "photo": value}, images="photo")
        assert [type(image) for image in task.images] == [Image]


@pytest.mark.parametrize(
    ("row", "columns", "words"),
    [
        ({"q": "x"}, {"prompt": "question"}, ["no prompt"]),
        ({"prompt": "x"}, {"reference": "gold"}, ["no column 'gold'", "mapped to reference"]),
        ({"q": "x", "prompt": "y"}, {"prompt": "q"}, ["'q' is mapped to prompt", "'prompt'", "--map metadata=prompt"]),
    ],
)
def test_map_that_does_not_fit_the_file_is_refused(tmp_path: Path, row: Row, columns: Row, words: list[str]) -> None:
    message = refused(tmp_path, row, **columns)
    assert all(word in message for word in words), message


def test_mapped_column_may_be_empty_in_some_rows(tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    path.write_text("text,gold\na,1\nb,\n")
    assert [task.answer for task in load_tasks(path, columns={"prompt": "text", "reference": "gold"})] == ["1", ""]


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["prompt=q,reference=label"], {"prompt": ("q",), "reference": ("label",)}),
        (["prompt=a, b", " context = x + y "], {"prompt": ("a, b",), "context": ("x", "y")}),
        (["metadata=*"], {"metadata": ("*",)}),
        (["metadata=a", "metadata=b+c"], {"metadata": ("a", "b", "c")}),
        (["metadata=C++"], {"metadata": ("C++",)}),
        (["prompt=a=b"], {"prompt": ("a=b",)}),
        ([], {}),
    ],
)
def test_map_is_read(texts: list[str], wanted: Row) -> None:
    assert parse_map(texts) == wanted


@pytest.mark.parametrize(
    ("text", "words"), [("promt=q", "did you mean 'prompt'?"), ("question", "the roles are prompt"), ("prompt=", "the roles are")]
)
def test_map_of_no_role_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match="is not role=column") as caught:
        parse_map([text])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"promt": "x"}, "the roles are"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": "a", "reference": "a"}, "to prompt and to reference"),
    ],
)
def test_map_that_says_too_much_is_refused(tmp_path: Path, columns: Row, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, {"prompt": "x"}, **columns)


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20).filter(str.strip)


@settings(max_examples=60)
@given(asked=TEXTS, context=TEXTS, system=TEXTS, below=TEXTS, answer=TEXTS)
def test_nothing_that_a_row_says_is_lost(
    tmp_path_factory: pytest.TempPathFactory, asked: str, context: str, system: str, below: str, answer: str
) -> None:
    row = {"question": asked, "context": context, "system": system, "input": below, "answer": answer}
    (task,) = read(tmp_path_factory.mktemp("tasks"), row)
    assert [message.role for message in task.messages] == ["system", "user"]
    assert task.messages[0].text == system
    assert task.messages[1].text == f"<context>\n{context.strip()}\n</context>\n\n{asked}\n\n{below}"
    assert task.answer == answer


@settings(max_examples=60)
@given(prompt=TEXTS, names=st.lists(st.sampled_from(sorted(METADATA)), unique=True, max_size=4), text=TEXTS)
def test_ids_hang_on_the_prompt_alone(tmp_path_factory: pytest.TempPathFactory, prompt: str, names: list[str], text: str) -> None:
    """Metadata are no part of an id, so that folders made when more columns counted as metadata go on."""
    (task,) = read(tmp_path_factory.mktemp("tasks"), {"prompt": prompt, **dict.fromkeys(names, text)})
    assert task.id == content_id(prompt)
    assert set(task.metadata) == set(names)


def test_no_name_means_two_things() -> None:
    names = [name for group in ROLES.values() for name in group]
    assert len(names) == len(set(names))
    assert not METADATA & set(names)
    assert set(ROLES) == set(ColumnsConfig.model_fields)
    assert {role_of(f" {name.upper().replace('_', ' ')} ") for name in names} == set(ROLES)


def test_row_without_a_map_is_left_as_it_is() -> None:
    row = {"prompt": "x", "odd": None}
    assert ColumnMap(ColumnsConfig()).rename("here", row) == row
