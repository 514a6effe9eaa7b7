"""`anyprefer show DIR --list`: a line for each record, harmless at a terminal."""

import json
from pathlib import Path

import pytest
from lineage import TWO_GENERATORS
from typer.testing import CliRunner

from anyprefer.cli import app
from anyprefer.data.records import RecordFile
from anyprefer.errors import ConfigError, DataError
from anyprefer.types import Attempt, Candidate, Critique, Failure, PreferenceRecord, Prompts, Shortfall, Task


def attempt(reward: int | None) -> Attempt:
    return Attempt(
        round=0, prompts=Prompts(), candidates=(Candidate(index=0, output="x"),), critique=Critique(analysis="a", score=reward)
    )


CHAT = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many\n apples?"})
RECORDS = (
    PreferenceRecord(
        task=Task(id="first", prompt=CHAT), status="accepted", attempts=(attempt(2), attempt(9)), best_attempt=1,
    ),
    PreferenceRecord(
        task=Task(id="second", prompt="\x1b[31mred\x07 " + "word " * 100), status="exhausted", attempts=(attempt(None),),
    ),
    PreferenceRecord(
        task=Task(id="third\x1b[2J", prompt="q"), status="failed", error=Failure(kind="ModelRefusedError", message="m", node="n")
    ),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with RecordFile(tmp_path / "records.jsonl") as records:
        for record in RECORDS:
            records.append(record)
    return tmp_path


def show(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["show", *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.stdout


def test_every_record_has_a_line(folder: Path) -> None:
    first, second, third = show(folder, "--list").splitlines()
    assert first.split(maxsplit=3) == ["first", "accepted", "9/10", "How many apples?"]
    assert second.split()[:3] == ["second", "exhausted", "-"]
    assert len(second) < 130
    assert third.split() == ["third", "failed", "ModelRefusedError", "q"]
    assert all(line.isprintable() for line in (first, second, third))


def test_one_status_alone(folder: Path) -> None:
    assert [line.split()[0] for line in show(folder, "--status", "exhausted").splitlines()] == ["second"]
    rows = json.loads(show(folder, "--list", "--status", "accepted", "--json"))
    assert rows == [
        {"id": "first", "status": "accepted", "reward": 9, "certainty": None, "reason": None, "error": None,
         "prompt": "How many apples?"}
    ]  # fmt: skip
    assert json.loads(show(folder, "--status", "rejected", "--json")) == []


def test_a_line_says_how_certain_a_pair_is_or_what_stood_in_the_way(tmp_path: Path) -> None:
    refused = TWO_GENERATORS.attempts[0].model_copy(
        update={"pair": None, "shortfall": Shortfall(reasons=("all_wrong", "no_answer"), text="No contrast.")}
    )
    with RecordFile(tmp_path / "records.jsonl") as records:
        records.append(TWO_GENERATORS)
        none = {"status": "exhausted", "best_attempt": None, "attempts": (refused,)}
        records.append(TWO_GENERATORS.model_copy(update={**none, "task": Task(id="refused", prompt="q")}))
    first, second = show(tmp_path, "--list").splitlines()
    assert first.split(maxsplit=5)[:5] == ["generators", "accepted", "8/10", "80", "%"]
    assert second.split() == ["refused", "exhausted", "all_wrong", "q"]
    assert [row["reason"] for row in json.loads(show(tmp_path, "--list", "--json"))] == [None, "all_wrong"]


def test_how_to_list_is_said_where_no_task_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"give a task id, or see them all: anyprefer show .* --list"):
        show(folder)
    with pytest.raises(DataError, match=r"see the ids with: anyprefer show .* --list"):
        show(folder, "nobody")
    with pytest.raises(ConfigError, match="not both"):
        show(folder, "first", "--list")


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no records\.jsonl"):
        show(tmp_path, "--list")
