"""A task that breaks its worker, or the whole process, costs itself and nothing else."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data

NUM_TASKS = 8


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def run(folder: Path, url: str, plant: str, **sections: Any) -> subprocess.CompletedProcess[str]:
    sections["run"] = {"concurrency": 3, **sections.get("run", {})}
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe_data(url, **sections)))
    (folder / "tasks.jsonl").write_text(
        "".join(json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(NUM_TASKS))
    )
    arguments = ["run", str(folder / "recipe.toml"), "--tasks", str(folder / "tasks.jsonl"), "--out", str(folder / "out")]
    driver = [sys.executable, str(Path(__file__).with_name("crash_driver.py")), plant]
    return subprocess.run([*driver, *arguments], capture_output=True, text=True, timeout=120, check=False)


def records(folder: Path) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "out" / "records.jsonl").read_text().splitlines()]
    assert len({row["task"]["id"] for row in rows}) == len(rows)
    return {row["task"]["id"]: row for row in rows}


def test_an_unexpected_error_fails_one_task(model: LoopbackModel, tmp_path: Path) -> None:
    done = run(tmp_path, model.url, "error:t2", run={"max_failed_share": 0.5})
    assert done.returncode == 0, done.stderr
    found = records(tmp_path)
    assert len(found) == NUM_TASKS
    assert found["t2"]["error"]["kind"] == "RuntimeError"
    assert "planted (see run.log)" in found["t2"]["error"]["message"]
    assert [row["status"] for name, row in found.items() if name != "t2"] == ["accepted"] * (NUM_TASKS - 1)
    assert (tmp_path / "out" / "run.log").read_text().count("RuntimeError: planted") == 3, "three tries, each with its traceback"


def test_a_task_that_kills_the_process_is_set_aside_and_recorded(model: LoopbackModel, tmp_path: Path) -> None:
    deaths = 0
    while (done := run(tmp_path, model.url, "task:t2", run={"max_failed_share": 0.5})).returncode == -signal.SIGKILL:
        deaths += 1
        assert deaths <= 6, "a few deaths beside others, three alone"
    assert done.returncode == 0, done.stderr
    found = records(tmp_path)
    assert len(found) == NUM_TASKS
    assert found["t2"]["error"]["kind"] == "ProcessDied"
    assert "--retry-failed" in found["t2"]["error"]["message"]
    assert all(row["status"] == "accepted" for name, row in found.items() if name != "t2")
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["repeated_calls"] == 0


def test_an_error_of_every_task_stops_the_run(model: LoopbackModel, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    driver = Path(__file__).with_name("crash_driver.py").read_text()
    everywhere = driver.replace('if state["task"].id == task_id:', "if True:")
    assert everywhere != driver
    (tmp_path / "driver.py").write_text(everywhere)
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url, run={"concurrency": 2})))
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps({"id": f"t{i}", "prompt": "x"}) + "\n" for i in range(40)))
    arguments = ["run", str(tmp_path / "recipe.toml"), "--tasks", str(tmp_path / "tasks.jsonl"), "--out", str(tmp_path / "out")]
    command = [sys.executable, str(tmp_path / "driver.py"), "error:any", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode not in (0, 130)
    assert "planted" in done.stderr
    assert len(records(tmp_path)) < 15
