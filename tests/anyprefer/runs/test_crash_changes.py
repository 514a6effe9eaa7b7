"""SIGKILL while a folder takes on another recipe or other tasks: the next session comes to what an undisturbed one comes to."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data, review

from anyprefer.data.records import RecordFile
from anyprefer.data.run_dir import RunDir

NUM_TASKS = 4

RECORDS, FOLDER = "anyprefer.data.records:RecordFile", "anyprefer.runs.folder:RunFolder"
INDEX, PLACE = "anyprefer.runs.index:RunIndex", "anyprefer.runs.workplace:Workplace"
POINTS = [
    f"after:{FOLDER}._claim", f"before:{PLACE}.restart", f"after:{PLACE}.restart", f"after:{INDEX}.clear",
    f"after:{RECORDS}._copy", f"after:{RECORDS}._copy_lines", f"after:{RECORDS}.rewrite", f"after:{FOLDER}.rewrite",
    f"before:{FOLDER}.mark_settled", f"after:{FOLDER}.mark_settled",
]  # fmt: skip


def some(points: list[str], step: int) -> list[Any]:
    """All points, every `step`-th of which is not slow."""
    return [point if number % step == 0 else pytest.param(point, marks=pytest.mark.slow) for number, point in enumerate(points)]


@dataclass(frozen=True)
class Place:
    """A folder that is finished under a threshold of 7, and the server that it was made with."""

    folder: Path
    model: LoopbackModel

    def run(self, out: Path, *extra: str, crash: str = "", tasks: str = "tasks.jsonl") -> Any:
        arguments = [str(self.folder / "recipe.toml"), "--tasks", str(self.folder / tasks), *extra]
        done = run(arguments, out, crash=crash)
        if not crash:
            assert done.returncode == 0, done.stderr
        return done

    def copy(self, to: Path) -> Path:
        shutil.copytree(self.folder / "out", to)
        return to


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    with LoopbackModel() as model:
        # Rewards of 6 to 9 by the request's seed, which is the same in every session.
        model.replies["PairReview"] = lambda body, choice: review(6 + body["seed"] % 4)(body, choice)
        (folder / "recipe.toml").write_text(tomli_w.dumps(recipe_data(model.url, loop={"max_rounds": 1})))
        for name, changed in (("tasks.jsonl", ()), ("changed.jsonl", (1, 2))):
            rows = [{"id": f"t{i}", "prompt": f"{'another ' * (i in changed)}question {i}"} for i in range(NUM_TASKS)]
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        found = Place(folder, model)
        found.run(folder / "out")
        yield found


def run(arguments: list[str], out: Path, crash: str = "") -> subprocess.CompletedProcess[str]:
    """Run the real command in its own process, which kills itself where `crash` says."""
    command = [sys.executable, str(Path(__file__).with_name("crash_driver.py")), crash, "run", *arguments, "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def records_of(out: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    assert len({line["task"]["id"] for line in lines}) == len(lines)
    return {line["task"]["id"]: line for line in lines}


def outcome(out: Path) -> dict[str, Any]:
    """Records by task, but for what they have cost: a task that is done again has calls of before among its own."""
    skip = ("usage", "cost_usd", "recipe_digest")
    return {name: {key: value for key, value in one.items() if key not in skip} for name, one in records_of(out).items()}


def check(place: Place, out: Path, whole: Path, asked: int) -> None:
    """The outcome is that of the undisturbed run, and no completed call was asked again."""
    assert outcome(out) == outcome(whole)
    summary = json.loads(RunDir(out).summary.read_text())
    assert (summary["repeated_calls"], summary["tasks"]) == (0, NUM_TASKS)
    assert len(place.model.requests) <= asked
    assert RunDir(out).read_lock().pending == ()


THRESHOLD = ("--set", "loop.threshold=9")


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The folder under a threshold of 9, and how many requests that took."""
    out = place.copy(tmp_path_factory.mktemp("whole") / "out")
    place.model.requests.clear()
    place.run(out, *THRESHOLD)
    assert {one["status"] for one in records_of(out).values()} == {"accepted", "exhausted"}
    assert outcome(out) != outcome(place.folder / "out")
    return out, len(place.model.requests)


@pytest.mark.parametrize("crash", some(POINTS, 5))
def test_kill_while_records_are_judged_again(place: Place, whole: tuple[Path, int], tmp_path: Path, crash: str) -> None:
    out = place.copy(tmp_path / "out")
    place.model.requests.clear()
    assert place.run(out, *THRESHOLD, crash=crash).returncode == -signal.SIGKILL
    back = tmp_path / "back"
    shutil.copytree(out, back)
    place.run(out, *THRESHOLD)
    check(place, out, *whole)
    place.model.requests.clear()
    place.run(back)
    check(place, back, place.folder / "out", 0)


def test_kill_while_failed_tasks_go_under_another_recipe(place: Place, tmp_path: Path) -> None:
    """The flag of the first try is not needed any more: the lock knows what is left to do."""
    out = tmp_path / "out"

    def before(body: dict[str, Any]) -> int | None:
        return 422 if "PairReview" in str(body.get("response_format")) and 500 not in body.values() else None

    place.model.before = before
    try:
        assert run([str(place.folder / "recipe.toml"), "--tasks", str(place.folder / "tasks.jsonl")], out).returncode == 1
        change = ("--set", "critic.max_tokens=500")
        killed = place.run(out, *change, "--retry-failed", crash=f"after:{INDEX}.clear")
        assert killed.returncode == -signal.SIGKILL
        place.model.requests.clear()
        place.run(out, *change)
    finally:
        place.model.before = lambda body: None
    assert {one["error"] for one in records_of(out).values()} == {None}
    assert json.loads(RunDir(out).summary.read_text())["repeated_calls"] == 0


@pytest.mark.parametrize("crash", some(POINTS[2:7:2], 3))
def test_kill_while_changed_tasks_are_put_aside(place: Place, tmp_path: Path, crash: str) -> None:
    whole, out = place.copy(tmp_path / "whole"), place.copy(tmp_path / "out")
    redo = ("--changed-tasks", "redo")
    place.model.requests.clear()
    place.run(whole, *redo, tasks="changed.jsonl")
    asked = len(place.model.requests)
    place.model.requests.clear()
    assert place.run(out, *redo, tasks="changed.jsonl", crash=crash).returncode == -signal.SIGKILL
    place.run(out, *redo, tasks="changed.jsonl")
    check(place, out, whole, asked)
    aside = {record.task.id for record in RecordFile(RunDir(out).aside)}
    assert aside == {record.task.id for record in RecordFile(RunDir(whole).aside)} == {"t1", "t2"}


@pytest.mark.parametrize(
    "crash", some(["enter:score_candidates", "leave:critique_pair", "after:anyprefer.runs.journal:Journal.put"], 3)
)
def test_kill_while_calls_are_taken_over(place: Place, tmp_path: Path, crash: str) -> None:
    out, reuse = tmp_path / "out", ("--reuse", str(place.folder / "out"))
    place.model.requests.clear()
    assert place.run(out, *reuse, crash=crash).returncode == -signal.SIGKILL
    place.run(out, *reuse)
    check(place, out, place.folder / "out", 0)
    summary = json.loads(RunDir(out).summary.read_text())
    assert summary["reused_calls"] == sum(usage["calls"] for one in records_of(out).values() for usage in one["usage"].values())
