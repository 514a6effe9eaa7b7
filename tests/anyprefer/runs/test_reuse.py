"""Completed calls of another run folder: taken over where they are the same, paid once, and never written to."""

import asyncio
import io
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from loopback import LoopbackModel, recipe_data
from rich.console import Console

from anyprefer.backends.calls import CallSite, StoredCall
from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir
from anyprefer.errors import RunFolderError, StopRunError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.folder import RunFolder
from anyprefer.runs.journal import Journal
from anyprefer.runs.progress import Progress
from anyprefer.runs.reuse import FileSource
from anyprefer.runs.session import Session, run_session
from anyprefer.runs.show import show_summary
from anyprefer.runs.summary import Summary
from anyprefer.types import Task

NUM_TASKS = 4
TASKS = tuple(Task(id=f"t{i}", prompt=f"What is {i} + {i}?") for i in range(NUM_TASKS))
TOOLS = {"names": ["calculator"]}


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        server.replies[None] = lambda body, choice: f"2 + {choice} = {choice + 2}; {body['seed']}"
        server.replies["ToolChoice"] = lambda body, choice: {"calls": [{"tool": "calculator", "why": "sums", "args": {}}]}
        yield server


def go(folder: Path, url: str, **parts: Any) -> Summary:
    """Run a session; keywords with tables are sections of the recipe, the others are the session's."""
    sections = {name: value for name, value in parts.items() if isinstance(value, dict)}
    options = {"tasks": TASKS, **{name: value for name, value in parts.items() if name not in sections}}
    recipe = parse_recipe(recipe_data(url, **{"tools": TOOLS, **sections}))
    return asyncio.run(run_session(Session(recipe, out=folder, **options), Progress(Console(quiet=True))))


def asked(model: LoopbackModel) -> Counter[str | None]:
    """The requests since the last look, by their schema."""
    found = Counter(model.titles())
    model.requests.clear()
    return found


def attempts_in(folder: Path) -> dict[str, Any]:
    return {record.task.id: [without_seconds(one) for one in record.attempts] for record in RecordFile(RunDir(folder).records)}


def without_seconds(value: Any) -> Any:
    evidence = tuple(one.model_copy(update={"seconds": 0.0}) for one in value.evidence)
    return value.model_copy(update={"evidence": evidence})


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.iterdir())}


def tool_calls(folder: Path) -> tuple[int, int]:
    """How many there are, and how many of them are of another run."""
    with closing(sqlite3.connect(RunDir(folder).journal)) as db:
        found: tuple[int, int] = db.execute("SELECT count(*), sum(reused) FROM calls WHERE kind = 'tool'").fetchone()
        return found


def test_the_same_recipe_pays_nothing_and_makes_the_same(model: LoopbackModel, tmp_path: Path) -> None:
    first = go(tmp_path / "a", model.url)
    before = files_of(tmp_path / "a")
    asked(model)
    summary = go(tmp_path / "b", model.url, reuse=tmp_path / "a", budget_tokens=1000)
    assert asked(model).total() == 0
    assert attempts_in(tmp_path / "b") == attempts_in(tmp_path / "a")
    probes = first.calls - 5 * NUM_TASKS
    assert (summary.calls, summary.reused_calls, summary.repeated_calls) == (first.calls, first.calls - probes, 0)
    assert first.yields is not None
    assert first.yields.accepted_per_1000_tokens is not None
    assert summary.yields is not None
    assert summary.yields.accepted_per_1000_tokens is None, "the tokens were counted elsewhere"
    assert summary.usage["critic"].model_dump(exclude={"calls", "seconds"}) == {
        "prompt_tokens": 0, "completion_tokens": 0, "cost_usd": 0.0
    }  # fmt: skip
    assert tool_calls(tmp_path / "b") == (tool_calls(tmp_path / "a")[0],) * 2
    assert files_of(tmp_path / "a") == before, "the other folder is as it was"
    again = go(tmp_path / "b", model.url)
    assert (asked(model).total(), again.reused_calls) == (0, summary.reused_calls)


def test_what_is_different_is_asked_and_what_is_not_is_not(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path / "a", model.url)
    asked(model)
    summary = go(tmp_path / "b", model.url, reuse=tmp_path / "a", critic={"max_tokens": 2000})
    assert asked(model) == {"PairReview": NUM_TASKS}
    assert summary.reused_calls == 4 * NUM_TASKS
    summary = go(tmp_path / "c", model.url, reuse=str(tmp_path / "a"), judge={"max_tokens": 2000})
    assert asked(model) == {"ToolChoice": NUM_TASKS, "ScoreSheet": NUM_TASKS}, (
        "it says the same, so the others are asked the same"
    )
    assert summary.reused_calls == 3 * NUM_TASKS


def test_a_chain_of_folders_hands_calls_on(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path / "a", model.url)
    go(tmp_path / "b", model.url, reuse=tmp_path / "a")
    asked(model)
    go(tmp_path / "c", model.url, reuse=tmp_path / "b")
    assert asked(model).total() == 0


def test_what_was_reused_is_shown(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path / "a", model.url)
    summary = go(tmp_path / "b", model.url, reuse=tmp_path / "a")
    console = Console(record=True, width=200, file=io.StringIO())
    show_summary(summary, tmp_path / "b", console)
    assert f"(0 repeated, {summary.reused_calls} reused from another folder)" in console.export_text()


def test_a_reply_that_could_not_be_used_is_asked_again(model: LoopbackModel, tmp_path: Path) -> None:
    good = model.replies["PairReview"]
    model.replies["PairReview"] = lambda body, choice: {"preferred_analysis": "x"}
    model.replies[None] = lambda body, choice: (
        "nonsense" if "PairReview" in str(body) else f"2 + {choice} = {choice + 2}; {body['seed']}"
    )
    assert go(tmp_path / "a", model.url, tasks=TASKS[:2]).exhausted_after_error == 2
    model.replies["PairReview"] = good
    asked(model)
    summary = go(tmp_path / "b", model.url, reuse=tmp_path / "a", tasks=TASKS[:2])
    assert (summary.exhausted_after_error, asked(model)["ScoreSheet"]) == (0, 0)


def test_a_folder_with_calls_of_its_own_can_begin_to_reuse(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path / "a", model.url)
    go(tmp_path / "b", model.url, tasks=TASKS[:1])
    asked(model)
    summary = go(tmp_path / "b", model.url, reuse=tmp_path / "a")
    assert (summary.accepted, asked(model).total()) == (len(TASKS), 0)


def test_a_folder_that_stopped_before_its_first_task_can(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path / "a", model.url)
    model.counts_probes = True
    model.before = lambda body: 401
    with pytest.raises(StopRunError):
        go(tmp_path / "b", model.url)
    model.counts_probes, model.before = False, lambda body: None
    asked(model)
    go(tmp_path / "b", model.url, reuse=tmp_path / "a")
    assert asked(model).total() == 0


def test_a_folder_that_is_in_use_can_be_reused(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path / "a", model.url)
    asked(model)
    owner = RunFolder(tmp_path / "a", RunDir(tmp_path / "a").read_recipe(), {})
    with closing(Journal(RunDir(tmp_path / "a").journal)) as journal:
        asyncio.run(journal.put(call("new")))
        go(tmp_path / "b", model.url, reuse=tmp_path / "a")
        owner.close()
    assert asked(model).total() == 0


def call(key: str, task_id: str = "t") -> StoredCall:
    return StoredCall(key, CallSite(task_id, "judge", 0, "x"), "model", {"replies": ["x"], "endings": ["complete"]}, 5, 7, 1.0)


def test_a_source_sees_what_is_written_after_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with closing(Journal(path)) as journal:
        asyncio.run(journal.put(call("before")))
    assert [one.name for one in tmp_path.iterdir()] == ["journal.sqlite"]

    async def look(source: FileSource, *keys: str) -> list[bool]:
        return [await source.find(key) is not None for key in keys]

    with closing(FileSource(path)) as source:
        assert asyncio.run(look(source, "before", "after")) == [True, False]
        assert [one.name for one in tmp_path.iterdir()] == ["journal.sqlite"], "reading leaves nothing behind"
        with closing(Journal(path)) as journal:
            for number in range(3000):  # more than the writer keeps beside the file
                asyncio.run(journal.put(call(f"more{number}")))
            asyncio.run(journal.put(call("after")))
            assert asyncio.run(look(source, "before", "after", "more0", "more2999", "other")) == [True, True, True, True, False]


def test_a_copy_on_a_disk_that_cannot_be_written_is_read_with_what_stands_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "journal.sqlite", tmp_path / "other"
    other.mkdir()
    with closing(Journal(path)) as journal:
        asyncio.run(journal.put(call("beside")))
        for one in (path, path.with_name("journal.sqlite-wal")):  # as a copy or a crash leaves it, without the shared memory
            shutil.copy(one, other)
    connect = sqlite3.connect

    def refusing(name: str, **options: Any) -> sqlite3.Connection:
        if name.endswith("mode=ro"):
            raise sqlite3.OperationalError("unable to open database file")  # what SQLite says there; root may write anywhere
        return connect(name, **options)

    monkeypatch.setattr(sqlite3, "connect", refusing)
    with closing(FileSource(other / "journal.sqlite")) as source:
        assert asyncio.run(source.find("beside")) is not None
    assert sorted(one.name for one in other.iterdir()) == ["journal.sqlite", "journal.sqlite-wal"]


def test_what_cannot_be_reused_says_why(model: LoopbackModel, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "journal.sqlite").write_bytes(b"x" * 5000)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "store.json").write_text('{"schema": "x"}')
    cases = {
        "empty": "has no journal.sqlite", "nowhere": "has no journal.sqlite", "other": "cannot read the calls",
        "postgres": "its calls are in Postgres", "b": "is the run folder itself",
    }  # fmt: skip
    for name, words in cases.items():
        with pytest.raises(RunFolderError, match=words):
            go(tmp_path / "b", model.url, reuse=tmp_path / name)
    assert model.requests == []
    assert not (tmp_path / "b").exists()


def test_a_journal_of_earlier_code_can_be_reused(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path / "a", model.url)
    with closing(sqlite3.connect(RunDir(tmp_path / "a").journal)) as db:
        for column in ("cost_usd", "reused"):
            db.execute(f"ALTER TABLE calls DROP COLUMN {column}")
        db.commit()
    asked(model)
    go(tmp_path / "b", model.url, reuse=tmp_path / "a")
    assert asked(model).total() == 0


def test_findings_about_another_task_are_found_anew(model: LoopbackModel, tmp_path: Path) -> None:
    go(tmp_path / "a", model.url)
    other = tuple(task.model_copy(update={"metadata": {"level": 2}}) for task in TASKS)
    go(tmp_path / "b", model.url, reuse=tmp_path / "a", tasks=other)
    assert tool_calls(tmp_path / "b")[0] == 2 * tool_calls(tmp_path / "a")[0], "looked up, and then done for this task"
