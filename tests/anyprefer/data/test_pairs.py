"""One reader of preference rows: every layout means the same pair, and what is no pair is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from anyprefer.applications.text import TextApplication
from anyprefer.data.pairs import Preference, read_preference, read_preferences
from anyprefer.data.records import RecordFile
from anyprefer.errors import DataError
from anyprefer.training.rows import preference_row
from anyprefer.types import (
    Attempt,
    Critique,
    Origin,
    PreferencePair,
    PreferenceRecord,
    Prompts,
    Reply,
    Side,
    Task,
    ToolUse,
)

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 2?"}]
QUESTION = ASKED[1]["content"]


def said(text: str, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **fields}


GOOD, BAD = [said("4")], [said("5")]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": ASKED, "chosen": GOOD, "rejected": BAD},
        {"prompt": ASKED, "chosen": "4", "rejected": BAD},
        {"prompt": ASKED, "chosen": [*ASKED, *GOOD], "rejected": [*ASKED, *BAD]},
        {"prompt": ASKED, "chosen": [*ASKED, *GOOD], "rejected": BAD},
        {"prompt": QUESTION, "chosen": [*ASKED, *GOOD], "rejected": [*ASKED, *BAD]},
        {"prompt": ASKED[1:], "chosen": [*ASKED, *GOOD], "rejected": BAD},
        {"chosen": [*ASKED, *GOOD], "rejected": [*ASKED, *BAD]},
        {"question": ASKED, "chosen": GOOD, "rejected": BAD},
    ],
)
def test_every_layout_of_a_conversation_is_the_same_pair(row: dict[str, Any]) -> None:
    found = read_preference("row", row)
    assert found.turns == {"prompt": ASKED, "chosen": GOOD, "rejected": BAD}
    assert found.text("prompt") == "[system]\nBe brief.\n\n[user]\nWhat is 2 + 2?"
    assert (found.text("chosen"), found.text("rejected")) == ("4", "5")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Q: 2 + 2? A:", "chosen": " 4", "rejected": " 5"},
        {"chosen": "Q: 2 + 2? A: 4", "rejected": "Q: 2 + 2? A: 5"},
    ],
)
def test_plain_text_stays_text_without_roles(row: dict[str, Any]) -> None:
    found = read_preference("row", row)
    assert found.turns == {"prompt": "Q: 2 + 2? A:", "chosen": " 4", "rejected": " 5"}
    assert found.text("prompt") == "Q: 2 + 2? A:"


def test_a_question_that_comes_again_in_the_answer_is_no_repeated_prompt() -> None:
    again = [said("What?"), ASKED[1], said("4")]
    found = read_preference("row", {"prompt": ASKED[1:], "chosen": again, "rejected": BAD})
    assert found.turns["chosen"] == again
    assert found.text("chosen") == "[assistant]\nWhat?\n\n[user]\nWhat is 2 + 2?\n\n[assistant]\n4"


def test_equal_conversations_keep_their_answers() -> None:
    found = read_preference("row", {"chosen": [*ASKED, *GOOD], "rejected": [*ASKED, *GOOD]})
    assert (found.text("chosen"), found.text("rejected")) == ("4", "4")


@pytest.mark.parametrize(
    "message", [said("<think>two pairs</think>\n4"), said("4", reasoning_content="two pairs"), said("4", reasoning="two pairs")]
)
def test_thoughts_are_set_apart_and_trained_as_they_stand(message: dict[str, Any]) -> None:
    found = read_preference("row", {"prompt": QUESTION, "chosen": [message], "rejected": BAD})
    assert isinstance(found.chosen, Reply)
    assert (found.chosen.answer, found.chosen.reasoning) == ("4", "two pairs")
    assert found.turns["chosen"] == [message]


def test_keys_that_arrow_adds_to_every_message_are_none() -> None:
    wide = [{**GOOD[0], "reasoning_content": None, "tool_calls": None, "name": None}]
    assert read_preference("row", {"prompt": QUESTION, "chosen": wide, "rejected": BAD}).turns["chosen"] == GOOD


def test_parts_and_tool_calls_are_read() -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "How many?"}]}]
    row = {"prompt": asked, "chosen": [said("", tool_calls=[call]), {"role": "tool", "content": "4"}, *GOOD], "rejected": BAD}
    found = read_preference("row", row)
    assert found.text("prompt") == "[image]\n\nHow many?"
    assert isinstance(found.chosen, Reply)
    assert found.chosen.calls == (ToolUse(name="add", args={"a": 2}),)
    assert found.turns["chosen"] == row["chosen"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "x"}, "row 7: chosen is missing"),
        ({"prompt": "x", "chosen": "y"}, "rejected is missing"),
        ({"prompt": "x", "chosen": 4, "rejected": "y"}, "chosen is neither text nor a list of messages"),
        ({"chosen": "4", "rejected": "5"}, "begin with nothing in common"),
        ({"chosen": GOOD, "rejected": BAD}, "begin with nothing in common"),
        ({"chosen": [*ASKED, *GOOD], "rejected": "5"}, "one side is text and the other messages"),
        ({"chosen": [ASKED[0], *GOOD], "rejected": [*ASKED, *BAD]}, "rejected goes on with a message of the role 'user'"),
        ({"prompt": "Why?", "chosen": [*ASKED, *GOOD], "rejected": BAD}, "chosen goes on with a message of the role 'system'"),
        (
            {"prompt": QUESTION, "chosen": [*ASKED, *GOOD], "rejected": [{"role": "user", "content": "Hi"}, ASKED[1], *BAD]},
            "chosen and rejected answer different conversations",
        ),
        ({"prompt": QUESTION, "chosen": [{"role": "gpt", "content": "4"}], "rejected": BAD}, "role 'gpt'"),
        ({"prompt": QUESTION, "chosen": [{"role": "tool", "content": "4"}], "rejected": BAD}, "is no conversation"),
        ({"prompt": [], "chosen": [], "rejected": BAD}, "is no conversation"),
        ({"prompt": QUESTION, "chosen": [{**GOOD[0], "content": 5}], "rejected": BAD}, "neither text nor a list of parts"),
        ({"prompt": QUESTION, "chosen": [{**GOOD[0], "tool_calls": [{"function": 5}]}], "rejected": BAD}, "is no conversation"),
    ],
)
def test_what_is_no_pair_is_named_with_its_place(row: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_preference("row 7", row)


def test_numbers_and_references_are_read_where_a_row_has_them() -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b", "reward": 8, "margin": None, "chosen_score": True, "answer": "a"}
    found = read_preference("row", row, 3)
    assert (found.id, found.reference) == ("3", "a")
    assert (found.number("reward"), found.number("margin"), found.number("chosen_score")) == (8.0, None, None)
    assert read_preference("row", {**row, "id": "x", "answer": ""}).reference is None


def record(name: str, status: Any = "accepted") -> PreferenceRecord:
    sides = [
        Side(origin=Origin(kind="candidate", candidate=i, round=0), output=Reply.of(text, f"thought {i}"), score=9 - i)
        for i, text in enumerate(("4", "5"))
    ]
    attempt = Attempt(
        round=0, prompts=Prompts(), candidates=(), pair=PreferencePair(chosen=sides[0], rejected=sides[1]),
        critique=Critique(analysis="x", score=7),
    )  # fmt: skip
    task = Task(id=name, prompt=tuple(ASKED), reference="4")  # type: ignore[arg-type]
    return PreferenceRecord(task=task, status=status, attempts=(attempt,), best_attempt=0)


def seen(found: Preference) -> tuple[Any, ...]:
    numbers = (found.number(name) for name in ("chosen_score", "rejected_score", "margin", "reward"))
    return (found.id, found.text("prompt"), found.text("chosen"), found.text("rejected"), found.reference, found.turns, *numbers)


def test_run_folder_and_its_rows_are_the_same_pairs(tmp_path: Path) -> None:
    records = [record("a"), record("b", "exhausted"), PreferenceRecord(task=Task(prompt="c"), status="failed")]
    with RecordFile(tmp_path / "records.jsonl") as file:
        for one in records:
            file.append(one)
    found = list(read_preferences(tmp_path))
    assert [seen(one) for one in found] == [seen(read_preference("row", preference_row(records[0], TextApplication())))]
    assert [one.id for one in read_preferences(tmp_path, include_exhausted=True)] == ["a", "b"]


ROWS = [{"prompt": f"p{i}", "chosen": "a", "rejected": "b", "task_id": f"t{i}"} for i in range(3)]


@pytest.mark.parametrize("layout", ["rows.jsonl", "rows.json", "rows.csv", "rows.parquet", "folder", "splits", "saved", "export"])
def test_every_source_gives_the_same_pairs(tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    data, path = datasets.Dataset.from_list(ROWS), tmp_path / layout
    if layout in ("folder", "splits"):
        path.mkdir()
        for split in ("train",) if layout == "folder" else ("test", "train"):
            (data if split == "train" else data.select([0])).to_parquet(path / f"{split}-0.parquet")
    elif layout == "saved":
        data.save_to_disk(path)
    elif layout == "export":
        path.mkdir()
        data.to_json(path / "train.jsonl")
    else:
        {".jsonl": data.to_json, ".json": data.to_json, ".csv": data.to_csv, ".parquet": data.to_parquet}[path.suffix](path)
    assert [(one.id, one.text("prompt")) for one in read_preferences(path)] == [(f"t{i}", f"p{i}") for i in range(3)]


def test_a_row_that_is_no_pair_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (*ROWS, {"prompt": "p", "chosen": "a"})))
    with pytest.raises(DataError, match=r"rows\.jsonl line 4: rejected is missing"):
        list(read_preferences(path))
