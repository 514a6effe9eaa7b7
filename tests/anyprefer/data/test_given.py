"""Pairs that are there already, in every layout of TRL's and its neighbours', as two candidates."""

import json
from pathlib import Path
from typing import Any

import pytest

from anyprefer.data.given import LABEL, read_given
from anyprefer.data.tasks import load_tasks, read_task
from anyprefer.errors import DataError
from anyprefer.types import Message, PreferenceRecord, Reply, Task

Row = dict[str, Any]


def said(role: str, text: str) -> Row:
    return {"role": role, "content": text}


def write(tmp_path: Path, *rows: Row) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(tmp_path: Path, *rows: Row, **columns: Any) -> list[Task]:
    return list(load_tasks(write(tmp_path, *rows), read=read_given(read_task), columns=columns))


def sides(task: Task) -> tuple[str, str]:
    """The chosen and the rejected output."""
    place = task.metadata[LABEL]
    return task.given[place].text, task.given[1 - place].text


ASKED = (Message(role="user", content="q"),)
LAYOUTS: dict[str, tuple[Row, Any]] = {
    "text": ({"prompt": "q", "chosen": "good {i}", "rejected": "bad {i}"}, "q"),
    "another name of the prompt": ({"question": "q", "chosen": "good {i}", "rejected": "bad {i}"}, "q"),
    "implicit prompt of texts": ({"chosen": "q: good {i}", "rejected": "q: bad {i}"}, "q:"),
    "messages": (
        {"prompt": [said("user", "q")], "chosen": [said("assistant", "good {i}")], "rejected": [said("assistant", "bad {i}")]},
        ASKED,
    ),
    "text and messages": ({"prompt": "q", "chosen": [said("assistant", "good {i}")], "rejected": "bad {i}"}, ASKED),
    "implicit prompt of messages": (
        {
            "chosen": [said("user", "q"), said("assistant", "good {i}")],
            "rejected": [said("user", "q"), said("assistant", "bad {i}")],
        },
        ASKED,
    ),
    "prompt in front of both sides as well": (
        {
            "prompt": [said("user", "q")], "chosen": [said("user", "q"), said("assistant", "good {i}")],
            "rejected": [said("user", "q"), said("assistant", "bad {i}")],
        },
        ASKED,
    ),
    "ShareGPT": (
        {
            "conversations": [{"from": "human", "value": "q"}], "chosen": {"from": "gpt", "value": "good {i}"},
            "rejected": {"from": "gpt", "value": "bad {i}"},
        },
        ASKED,
    ),
    "JSON text": (
        {
            "prompt": "q", "chosen": json.dumps([said("assistant", "good {i}")]),
            "rejected": json.dumps([said("assistant", "bad {i}")]),
        },
        ASKED,
    ),
    "Alpaca with system and context": (
        {"instruction": "a", "input": "b", "system": "s", "context": "c", "chosen": "good {i}", "rejected": "bad {i}"},
        (Message(role="system", content="s"), Message(role="user", content="<context>\nc\n</context>\n\na\n\nb")),
    ),
    "input alone": ({"input": "q", "chosen": "good {i}", "rejected": "bad {i}"}, "q"),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_two_candidates(tmp_path: Path, name: str) -> None:
    row, prompt = LAYOUTS[name]
    rows = [json.loads(json.dumps({**row, "id": i}).replace("{i}", str(i))) for i in range(10)]
    tasks = read(tmp_path, *rows)
    assert [task.id for task in tasks] == [str(i) for i in range(10)]
    assert {task.prompt for task in tasks} == {prompt}
    assert [tuple(text.strip() for text in sides(task)) for task in tasks] == [(f"good {i}", f"bad {i}") for i in range(10)]


def test_order_does_not_tell_which_is_the_chosen_one_and_stays_the_same(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "chosen": "yes", "rejected": "no"} for i in range(60)]
    places = [task.metadata[LABEL] for task in read(tmp_path, *rows)]
    assert 15 < sum(places) < 45
    assert places == [task.metadata[LABEL] for task in read(tmp_path, *rows)]


def test_two_pairs_of_one_prompt_are_two_tasks(tmp_path: Path) -> None:
    first, second = read(tmp_path, *({"prompt": "q", "chosen": "yes", "rejected": f"no {i}"} for i in range(2)))
    assert first.id != second.id
    assert Task(prompt="q").id not in (first.id, second.id)


def test_thoughts_stand_apart_and_other_columns_stay(tmp_path: Path) -> None:
    row = {"prompt": "q", "chosen": "<think>t</think>yes", "rejected": "no", "source": "book", "reference": 4, "score": 9}
    (task,) = read(tmp_path, row)
    assert Reply.of("yes", "t") in task.given
    assert task.answer == "4"
    assert {name: value for name, value in task.metadata.items() if name != LABEL} == {"source": "book", "score": 9}


def test_sides_under_other_names(tmp_path: Path) -> None:
    (task,) = read(tmp_path, {"q": "q", "better": "yes", "worse": "no"}, prompt="q", chosen="better", rejected="worse")
    assert (task.prompt, *sides(task)) == ("q", "yes", "no")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "q"}, "chosen is missing"),
        ({"prompt": "q", "chosen": "yes"}, "rejected is missing"),
        ({"prompt": "q", "chosen": "yes", "rejected": " "}, "chosen or rejected is empty"),
        ({"chosen": "yes", "rejected": "no"}, "nothing in common"),
        ({"prompt": "q", "chosen": "yes", "rejected": "no", "notes": "n"}, "'notes'"),
        ({"prompt": "q", "chosen": "yes", "rejected": "no", "given_chosen": 1}, "'given_chosen' is taken"),
        ({"prompt": [said("assistant", "a")], "chosen": "yes", "rejected": "no"}, "ends with the assistant"),
    ],
)
def test_row_that_is_no_pair_is_refused(tmp_path: Path, row: Row, words: str) -> None:
    with pytest.raises(DataError, match="line 1") as caught:
        read(tmp_path, row)
    assert words in str(caught.value)


def test_task_without_outputs_is_stored_as_before(tmp_path: Path) -> None:
    assert "given" not in Task(prompt="q").model_dump_json()
    (task,) = read(tmp_path, {"prompt": "q", "chosen": "yes", "rejected": "no"})
    record = PreferenceRecord(task=task, status="failed")
    assert PreferenceRecord.model_validate_json(record.model_dump_json()).task == task
