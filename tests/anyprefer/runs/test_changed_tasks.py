"""Other tasks in the same folder: named before anything is paid, and never taken for the ones that are finished."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from loopback import LoopbackModel, prompt_of, recipe_data, review
from rich.console import Console
from typer.testing import CliRunner

import anyprefer
from anyprefer.cli import app
from anyprefer.data.records import RecordFile, read_record, record_line
from anyprefer.data.run_dir import RunDir
from anyprefer.data.task_digest import changed_parts, digest_task
from anyprefer.errors import RunFolderError
from anyprefer.recipes import parse_recipe
from anyprefer.review.desk import open_desk
from anyprefer.runs.index import RunIndex
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.runs.summary import Summary
from anyprefer.types import Message, PreferenceRecord, Review, Task

NUM_TASKS = 4


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def rows(number: int = NUM_TASKS, **changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows t0, t1, ...; a keyword changes one of them."""
    found = [{"id": f"t{i}", "prompt": f"question {i}", "reference": "4", "metadata": {"level": 1}} for i in range(number)]
    return [{**row, **changes.get(str(row["id"]), {})} for row in found]


def go(folder: Path, url: str, given: list[dict[str, Any]], *, said: list[str] | None = None, **options: Any) -> Summary:
    path, mode = folder / "tasks.jsonl", options.pop("mode", "none")
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    progress = Progress(Console(quiet=True))
    if said is not None:
        progress.say = said.append  # type: ignore[method-assign]
    recipe = parse_recipe(recipe_data(url, review={"mode": mode}))
    return asyncio.run(run_session(Session(recipe, path, folder / "out", **options), progress))


def records_in(folder: Path) -> dict[str, PreferenceRecord]:
    records = list(RecordFile(RunDir(folder / "out").records))
    assert len({record.task.id for record in records}) == len(records)
    return {record.task.id: record for record in records}


def asked(model: LoopbackModel) -> int:
    """Requests since the last look."""
    number = len(model.requests)
    model.requests.clear()
    return number


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"prompt": "another question"}, "prompt"), ({"reference": "5"}, "reference"), ({"reference": None}, "reference"),
        ({"metadata": {"level": 2}}, "metadata"), ({"tools": [{"name": "f", "parameters": {}}]}, "tools"),
    ],
)  # fmt: skip
def test_a_changed_task_is_named_with_what_has_changed(
    model: LoopbackModel, tmp_path: Path, change: dict[str, Any], part: str
) -> None:
    go(tmp_path, model.url, rows())
    before = RunDir(tmp_path / "out").records.read_bytes()
    asked(model)
    with pytest.raises(RunFolderError) as question:
        go(tmp_path, model.url, rows(6, t2=change))
    assert f"  1 finished task changed since: 't2' ({part})" in str(question.value)
    assert "--changed-tasks keep" in str(question.value)
    assert "--changed-tasks redo" in str(question.value)
    assert (asked(model), len(model.probes)) == (0, 2), "nothing is asked, not even whether the endpoint answers"
    assert RunDir(tmp_path / "out").records.read_bytes() == before


def test_kept_records_stay_and_the_other_tasks_go_on(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path, model.url, rows())
    before = RunDir(tmp_path / "out").records.read_bytes()
    asked(model)
    said: list[str] = []
    changed = rows(6, t2={"prompt": "another question"})
    summary = go(tmp_path, model.url, changed, changed_tasks="keep", said=said)
    assert (summary.tasks, asked(model)) == (6, 6)
    assert RunDir(tmp_path / "out").records.read_bytes().startswith(before)
    assert "'t2' (prompt)" in said[0]
    with pytest.raises(RunFolderError, match="t2"):
        go(tmp_path, model.url, changed)


def test_redone_tasks_have_one_record_and_the_old_one_is_aside(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path, model.url, rows())
    first = records_in(tmp_path)
    asked(model)
    changed = rows(t2={"prompt": "another question"})
    assert go(tmp_path, model.url, changed, changed_tasks="redo").tasks == NUM_TASKS
    assert {prompt_of(body).count("another question") for body in model.requests} == {1}
    assert asked(model) == 3
    after = records_in(tmp_path)
    assert after["t2"].task.text == "another question"
    assert {name: record for name, record in after.items() if name != "t2"} == {
        name: record for name, record in first.items() if name != "t2"
    }
    (old,) = RecordFile(RunDir(tmp_path / "out").aside)
    assert old == first["t2"]
    assert go(tmp_path, model.url, changed).tasks == NUM_TASKS
    assert asked(model) == 0


def test_tasks_that_are_gone_are_named_and_their_records_stay(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path, model.url, rows(9))
    asked(model)
    with pytest.raises(RunFolderError) as question:
        go(tmp_path, model.url, rows(2))
    assert "  7 finished tasks not given any more: 't2', 't3', 't4', 't5', 't6', ...\n" in str(question.value)
    assert "redo" not in str(question.value)
    other = [{"id": "other", "prompt": "x"}]
    with pytest.raises(RunFolderError, match="9 finished tasks"):
        go(tmp_path, model.url, other)
    assert asked(model) == 0
    assert go(tmp_path, model.url, other, changed_tasks="keep").tasks == 10
    assert asked(model) == 3
    assert go(tmp_path, model.url, [*rows(9), *other]).tasks == 10


@pytest.mark.parametrize("limit", [1, 2, 6])
def test_a_limit_is_no_smaller_file(model: LoopbackModel, tmp_path: Path, limit: int) -> None:
    go(tmp_path, model.url, rows())
    assert go(tmp_path, model.url, rows(6), limit=limit).tasks == max(NUM_TASKS, limit)
    with pytest.raises(RunFolderError, match="t0"):
        go(tmp_path, model.url, rows(t0={"prompt": "another question"}), limit=limit)


def test_more_tasks_and_another_order_are_no_question(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path, model.url, rows())
    assert go(tmp_path, model.url, rows(6)[::-1]).tasks == 6


def test_the_same_task_written_otherwise_is_the_same(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path, model.url, rows(1))
    turned = {
        "metadata": {"level": 1},
        "reference": "4",
        "messages": [{"role": "user", "content": "question 0", "name": None}],
        "id": "t0",
    }
    assert go(tmp_path, model.url, [turned]).tasks == 1


def test_tasks_are_compared_once_and_again_when_anything_is_different(
    model: LoopbackModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    content = RunIndex.content
    monkeypatch.setattr(RunIndex, "content", lambda self, task_id: (looks.append(task_id), content(self, task_id))[1])
    go(tmp_path, model.url, rows())
    go(tmp_path, model.url, rows())
    assert looks == []
    go(tmp_path, model.url, rows(5))
    assert len(looks) == 5
    go(tmp_path, model.url, rows(5))
    assert len(looks) == 5
    RunDir(tmp_path / "out").index.unlink()
    go(tmp_path, model.url, rows(5))
    assert len(looks) == 10


def test_an_index_of_earlier_code_is_made_anew(model: LoopbackModel, tmp_path: Path) -> None:
    import sqlite3

    go(tmp_path, model.url, rows())
    with sqlite3.connect(RunDir(tmp_path / "out").index) as db:
        db.executescript(
            "DROP TABLE finished; DROP TABLE checked; PRAGMA user_version = 0; CREATE TABLE finished (task_id TEXT PRIMARY KEY, "
            "status TEXT NOT NULL, attempts INTEGER NOT NULL, error TEXT, agreed INTEGER NOT NULL, flipped INTEGER NOT NULL, end "
            "INTEGER NOT NULL) WITHOUT ROWID; INSERT INTO finished VALUES ('t0', 'accepted', 1, NULL, 0, 0, 99);"
        )
    with pytest.raises(RunFolderError, match=r"'t1' \(prompt\)"):
        go(tmp_path, model.url, rows(t1={"prompt": "another question"}))
    assert go(tmp_path, model.url, rows()).tasks == NUM_TASKS


def test_the_case_of_one_id_and_two_files(model: LoopbackModel, tmp_path: Path) -> None:
    """As a user meets it: the same command with another file of the same ids."""
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url)))

    def run(prompt: str, *extra: str) -> Any:
        (tmp_path / "tasks.jsonl").write_text(json.dumps({"id": "x1", "prompt": prompt}) + "\n")
        arguments = [str(tmp_path / "recipe.toml"), "--tasks", str(tmp_path / "tasks.jsonl"), "--out", str(tmp_path / "out")]
        return CliRunner().invoke(app, ["run", *arguments, *extra])

    assert run("Write a poem about dogs.").exit_code == 0
    refused = run("What is 2+2?")
    assert isinstance(refused.exception, RunFolderError)
    assert run("What is 2+2?", "--changed-tasks", "keep").exit_code == 0
    assert records_in(tmp_path)["x1"].task.text == "Write a poem about dogs."
    assert run("What is 2+2?", "--changed-tasks", "redo").exit_code == 0
    assert records_in(tmp_path)["x1"].task.text == "What is 2+2?"


def test_python_asks_as_well(model: LoopbackModel, tmp_path: Path) -> None:
    recipe = parse_recipe(recipe_data(model.url))
    anyprefer.run(recipe, [Task(id="a", prompt="one")], tmp_path)
    with pytest.raises(RunFolderError, match=r"'a' \(prompt\)"):
        anyprefer.run(recipe, [Task(id="a", prompt="two")], tmp_path)
    assert anyprefer.run(recipe, [Task(id="b", prompt="two")], tmp_path, changed_tasks="keep").tasks == 2


def test_a_task_that_waits_begins_anew_where_it_has_changed_and_no_decision_is_taken_for_it(
    model: LoopbackModel, tmp_path: Path
) -> None:
    model.replies["PairReview"] = review(9)
    assert go(tmp_path, model.url, rows(2), mode="all").waiting == 2

    async def decide() -> None:
        async with open_desk(tmp_path / "out") as desk:
            for item in desk.items:
                desk.decide(item.task.id, Review(decision="swap"))

    asyncio.run(decide())
    asked(model)
    said: list[str] = []
    assert go(tmp_path, model.url, rows(2, t1={"prompt": "another question"}), mode="all", said=said).waiting == 2
    assert (asked(model), said) == (3, ["beginning 1 unfinished task anew, which changed since"])

    async def look() -> tuple[dict[str, Any], dict[str, str]]:
        async with open_desk(tmp_path / "out") as desk:
            return desk.decisions, {item.task.id: item.task.text for item in desk.items}

    decisions, waiting = asyncio.run(look())
    assert (list(decisions), waiting["t1"]) == (["t0"], "another question")


def test_a_decision_on_a_record_that_is_done_again_is_not_taken_for_the_new_pair(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["PairReview"] = review(9)
    go(tmp_path, model.url, rows(1), mode="all")

    async def swap() -> None:
        async with open_desk(tmp_path / "out") as desk:
            desk.decide("t0", Review(decision="swap"))
            await desk.apply()

    asyncio.run(swap())
    assert go(tmp_path, model.url, rows(1, t0={"prompt": "another"}), mode="all", changed_tasks="redo").waiting == 1

    async def decisions() -> dict[str, Any]:
        async with open_desk(tmp_path / "out") as desk:
            return desk.decisions

    assert asyncio.run(decisions()) == {}
    (old,) = RecordFile(RunDir(tmp_path / "out").aside)
    assert old.review is not None


TEXTS = st.text(min_size=1).filter(str.strip)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text()
JSONS = st.recursive(PLAIN, lambda value: st.lists(value) | st.dictionaries(st.text(), value), max_leaves=5)


@given(
    prompt=TEXTS | st.lists(TEXTS.map(lambda text: Message(role="user", content=text)), min_size=1, max_size=3).map(tuple),
    reference=st.none() | TEXTS, metadata=st.dictionaries(st.text(), JSONS, max_size=3),
)  # fmt: skip
def test_a_task_has_the_same_digest_before_and_after_it_was_stored(prompt: Any, reference: Any, metadata: dict[str, Any]) -> None:
    task = Task(id="t", prompt=prompt, reference=reference, metadata=metadata)
    stored = read_record(record_line(PreferenceRecord(task=task, status="exhausted"))).task
    assert digest_task(stored) == digest_task(task)
    assert changed_parts(digest_task(stored), digest_task(task.model_copy(update={"metadata": {"other": 1}}))) == ["metadata"]


def test_lone_surrogates_have_one_digest() -> None:
    task = Task(id="t", prompt="a \ud800 b", metadata={"x": "\udc00"})
    stored = read_record(record_line(PreferenceRecord(task=task, status="exhausted"))).task
    assert digest_task(stored) == digest_task(task)
