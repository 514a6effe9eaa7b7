"""Bad input gives a clear error and exit code, and what was finished stays."""

import json
import resource
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data

from anyprefer.errors import DataError
from anyprefer.recipes import parse_recipe
from anyprefer.runs.session import Session
from anyprefer.types import Task

GOOD = b'{"id": "a", "prompt": "one"}\n{"id": "b", "prompt": "two"}\n'


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def run(tmp_path: Path, url: str, tasks: bytes = GOOD, *extra: str, **sections: Any) -> subprocess.CompletedProcess[str]:
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe_data(url, **sections)))
    (tmp_path / "tasks.jsonl").write_bytes(tasks)
    command = [
        sys.executable,
        "-m",
        "anyprefer.cli",
        "run",
        str(tmp_path / "recipe.toml"),
        "--tasks",
        str(tmp_path / "tasks.jsonl"),
    ]
    return subprocess.run(
        [*command, "--out", str(tmp_path / "out"), *extra], capture_output=True, text=True, timeout=60, check=False
    )


def records(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        (b"", ["no tasks"]),
        (b'{"prompt": "x"}\nnot json\n', ["line 2", "JSON"]),
        (b'{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n', ["'a'", "line"]),
        (b'{"prompt": "x"}\n{"text": "y"}\n', ["line 2", "prompt"]),
        (b'{"prompt": "  "}\n', ["line 1", "empty"]),
        (b'{"prompt": "caf\xe9"}\n', ["line 1", "UTF-8"]),
        (b'{"prompt": "' + b"x" * 2**20 + b'"}\n', ["line 1", "1,048,576"]),
    ],
)
def test_bad_task_file_stops_before_any_call(model: LoopbackModel, tmp_path: Path, tasks: bytes, words: list[str]) -> None:
    done = run(tmp_path, model.url, tasks)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert model.requests == []


def test_model_that_always_answers_nonsense_makes_failed_records(model: LoopbackModel, tmp_path: Path) -> None:
    model.replies["ScoreSheet"] = lambda body, choice: "nonsense"
    done = run(tmp_path, model.url)
    assert done.returncode == 1
    assert [record["error"]["kind"] for record in records(tmp_path)] == ["MalformedReplyError"] * 2
    assert "2 failed" in done.stdout


def test_a_reply_that_nothing_can_store_fails_its_task_alone(model: LoopbackModel, tmp_path: Path) -> None:
    good = model.replies[None]
    call = {"name": "f", "arguments": '{"a":' * 200 + "1" + "}" * 200}
    deep = {"tool_calls": [{"type": "function", "id": "c", "function": call}]}
    model.replies[None] = lambda body, choice: deep if "one" in str(body["messages"]) else good(body, choice)
    done = run(tmp_path, model.url)
    assert "Traceback" not in done.stderr
    found = {record["task"]["id"]: (record["status"], (record["error"] or {}).get("kind")) for record in records(tmp_path)}
    assert found == {"a": ("failed", "DataError"), "b": ("accepted", None)}


def test_retry_failed_asks_again_and_keeps_one_record_each(model: LoopbackModel, tmp_path: Path) -> None:
    good = model.replies["ScoreSheet"]
    model.replies["ScoreSheet"] = lambda body, choice: "nonsense"
    assert run(tmp_path, model.url).returncode == 1
    samples = model.titles().count(None)
    model.replies["ScoreSheet"] = good
    assert run(tmp_path, model.url, GOOD, "--retry-failed").returncode == 0
    assert sorted(record["task"]["id"] for record in records(tmp_path)) == ["a", "b"]
    assert {record["status"] for record in records(tmp_path)} == {"accepted"}
    assert model.titles().count(None) == samples


def test_endpoint_that_is_down_stops_before_any_work(tmp_path: Path) -> None:
    done = run(tmp_path, "http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert "http://127.0.0.1:9/v1" in done.stderr


def test_endpoint_that_goes_down_keeps_what_was_finished(model: LoopbackModel, tmp_path: Path) -> None:
    model.before = lambda body: 503 if len(model.requests) > 3 else None
    done = run(tmp_path, model.url, GOOD, target={"max_retries": 0}, run={"concurrency": 1})
    assert done.returncode == 1
    assert [record["status"] for record in records(tmp_path)] == ["accepted", "failed"]
    assert "503" in records(tmp_path)[1]["error"]["message"]


def test_corrupt_last_line_is_repaired(model: LoopbackModel, tmp_path: Path) -> None:
    assert run(tmp_path, model.url).returncode == 0
    path = tmp_path / "out" / "records.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    before = len(model.requests)
    assert run(tmp_path, model.url).returncode == 0
    assert {record["task"]["id"] for record in records(tmp_path)} == {"a", "b"}
    assert len(model.requests) == before


def test_another_recipe_in_the_same_folder_is_refused(model: LoopbackModel, tmp_path: Path) -> None:
    assert run(tmp_path, model.url).returncode == 0
    done = run(tmp_path, model.url, target={"max_tokens": 300})
    assert done.returncode == 2
    assert "target.max_tokens: 1024 -> 300" in done.stderr
    assert f"--out NEW --reuse {tmp_path / 'out'}" in done.stderr


def test_full_disk_says_so_and_resumes(model: LoopbackModel, tmp_path: Path) -> None:
    """A file size limit stands in for the full disk: the same writes fail, in the same places."""
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url, run={"concurrency": 1})))
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps({"id": f"t{i}", "prompt": f"{i}" * 3000}) + "\n" for i in range(20)))
    command = [
        sys.executable,
        "-m",
        "anyprefer.cli",
        "run",
        str(tmp_path / "recipe.toml"),
        "--tasks",
        str(tmp_path / "tasks.jsonl"),
    ]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))

    full = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit
    )
    assert full.returncode == 2, full.stderr
    assert "what was finished stays" in full.stderr
    assert "Traceback" not in full.stderr
    again = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 0, again.stderr
    ids = [record["task"]["id"] for record in records(tmp_path)]
    assert sorted(ids) == sorted({f"t{i}" for i in range(20)})
    with closing(sqlite3.connect(tmp_path / "out" / "journal.sqlite")) as database:
        assert database.execute("SELECT count(*) - count(DISTINCT key) FROM calls").fetchone() == (0,)


def test_missing_extra_names_the_extra(tmp_path: Path, model: LoopbackModel) -> None:
    (tmp_path / "ddgs.py").write_text("raise ImportError('not here')\n")
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url, tools={"names": ["web_search"]})))
    (tmp_path / "tasks.jsonl").write_bytes(GOOD)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from anyprefer.cli import main; main()"
    command = [sys.executable, "-c", code, "run", str(tmp_path / "recipe.toml"), "--tasks", str(tmp_path / "tasks.jsonl")]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "anyprefer[tools]" in done.stderr
    assert model.requests == []


def test_two_runners_on_one_folder_are_refused(model: LoopbackModel, tmp_path: Path) -> None:
    from anyprefer.recipes import parse_recipe
    from anyprefer.runs.folder import RunFolder

    folder = RunFolder(tmp_path / "out", parse_recipe(recipe_data(model.url)), {})
    try:
        done = run(tmp_path, model.url)
    finally:
        folder.close()
    assert done.returncode == 2
    assert "in use by process" in done.stderr


def test_the_same_recipe_under_another_digest_goes_on(model: LoopbackModel, tmp_path: Path) -> None:
    """Which keys are part of a digest differs between versions; what they say is compared where it does not fit."""
    assert run(tmp_path, model.url).returncode == 0
    lock = tmp_path / "out" / "recipe.lock.toml"
    digest = tomllib.loads(lock.read_text())["lock"]["digest"]
    lock.write_text(lock.read_text().replace(digest, "0" * 64))
    (tmp_path / "out" / "records.jsonl").unlink()
    (tmp_path / "out" / "index.sqlite").unlink()
    asked = len(model.requests)
    assert run(tmp_path, model.url).returncode == 0
    assert len(model.requests) == asked
    records = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert {record["recipe_digest"] for record in records} == {"0" * 64}


def test_more_samples_than_slots_are_refused_before_any_work(model: LoopbackModel, tmp_path: Path) -> None:
    embedded = {"target": {"model": "llamacpp:smollm2-135m"}, "embedded": {"slots": 2}}
    for extra in ((), ("--dry-run",)):
        done = run(tmp_path, model.url, GOOD, *extra, **embedded)
        assert done.returncode == 2
        assert "embedded.slots = 2 must be at least sampling.num_candidates = 5" in done.stderr
        assert not (tmp_path / "out").exists()


RUBRIC = {"judge": {"method": "rubric"}}
TESTS = {"tools": {"names": ["python"], "choose": "always"}}


@pytest.mark.parametrize(
    ("sections", "columns", "words"),
    [
        (RUBRIC, {"rubric": "it is polite"}, ["rubric", "list"]),
        (RUBRIC, {"rubric": [{"text": "is polite", "weight": -1}]}, ["weight -1"]),
        ({"judge": {"require_agreement": "rubric"}}, {"rubric": [3]}, ["criterion 1"]),
        (TESTS, {"tests": "assert add(1, 2 == 3"}, ["metadata.tests", "never closed"]),
        (TESTS, {"tests": {"in": 1}}, ["metadata.tests", "dict"]),
    ],
)
def test_what_a_row_brings_for_tool_or_judge_is_checked_where_something_reads_it(
    model: LoopbackModel, tmp_path: Path, sections: dict[str, Any], columns: dict[str, Any], words: list[str]
) -> None:
    rows = [{"prompt": "one"}, {"prompt": "two", **columns}]
    path = tmp_path / "tasks.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    recipe = parse_recipe(recipe_data(model.url, **sections))
    in_memory = (Task(prompt="one"), Task(prompt="two", metadata=columns))
    for tasks, place in ((path, "line 2"), (in_memory, "task ")):
        with pytest.raises(DataError) as refused:
            Session(recipe, tasks, tmp_path / "out").count_tasks()
        for word in (place, *words):
            assert word in str(refused.value)
    assert Session(parse_recipe(recipe_data(model.url)), path, tmp_path / "out").count_tasks() == 2


def test_verified_pairs_without_anything_that_verifies_are_refused(model: LoopbackModel, tmp_path: Path) -> None:
    done = run(tmp_path, model.url, pair={"require": "verified"}, tools={"names": ["calculator"], "choose": "always"})
    assert done.returncode == 2
    assert "judge.reference" in done.stderr
    assert model.requests == []
