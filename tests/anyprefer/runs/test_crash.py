"""SIGKILL at any moment, then resume: the same records, each id once, no completed call repeated."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from loopback import LoopbackModel, recipe_data, review

NUM_TASKS = 3


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        server.replies[None] = lambda body, choice: f"The sum is 2 + {choice} = {choice + 2}; {body['seed']}"
        server.replies["ToolChoice"] = lambda body, choice: {"calls": [{"tool": "calculator", "why": "sums", "args": {}}]}
        # The reward depends on the request's seed, which differs by round and is stable on resume: some tasks need a rewrite.
        server.replies["PairReview"] = lambda body, choice: review(2 + body["seed"] % 8)(body, choice)
        yield server


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbed: what every resumed run must come to."""

    arguments: list[str]
    records: dict[str, dict[str, Any]]
    calls: int


@pytest.fixture(scope="module")
def whole(server: LoopbackModel, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    arguments = write_inputs(folder, server.url)
    done = run(arguments, folder / "out")
    assert done.returncode == 0, done.stderr
    records = records_of(folder / "out")
    assert {len(record["attempts"]) for record in records.values()} & {2, 3}, "no task needed a rewrite"
    return Whole(arguments, records, json.loads((folder / "out" / "summary.json").read_text())["calls"])


@pytest.fixture
def model(server: LoopbackModel, whole: Whole) -> Iterator[LoopbackModel]:
    server.requests.clear()
    server.probes.clear()
    server.delay_seconds = 0.0
    yield server
    server.delay_seconds = 0.0


def write_inputs(folder: Path, url: str) -> list[str]:
    recipe = recipe_data(
        url,
        tools={"names": ["calculator"]},
        loop={"max_rounds": 2, "threshold": 8},
        run={"concurrency": 2},
        judge={"permutations": 2},
    )
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
    (folder / "tasks.jsonl").write_text(
        "".join(json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(NUM_TASKS))
    )
    return [str(folder / "recipe.toml"), "--tasks", str(folder / "tasks.jsonl")]


def run(arguments: list[str], out: Path, crash: str = "", **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run the real command in its own process, with a saver that kills it where `crash` says."""
    driver = [sys.executable, str(Path(__file__).with_name("crash_driver.py")), crash]
    return subprocess.run(
        [*driver, "run", *arguments, "--out", str(out)], capture_output=True, text=True, timeout=120, check=False, **kwargs
    )


def records_of(out: Path) -> dict[str, dict[str, Any]]:
    """Records by task id, without what may differ from run to run: durations."""
    lines = (out / "records.jsonl").read_text().splitlines()
    found = {}
    for line in lines:
        record = json.loads(line)
        assert record["task"]["id"] not in found
        found[record["task"]["id"]] = _without_seconds(record)
    return found


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seconds(item) for key, item in value.items() if key != "seconds"}
    return [_without_seconds(item) for item in value] if isinstance(value, list) else value


def check_resumed(out: Path, whole: Whole) -> None:
    """Resume, then compare with the undisturbed run."""
    again = run(whole.arguments, out)
    assert again.returncode == 0, again.stderr
    assert records_of(out) == whole.records
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["repeated_calls"], summary["calls"]) == (0, whole.calls)
    with closing(sqlite3.connect(out / "checkpoints.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM checkpoints").fetchone() == (0,)


@pytest.mark.slow
def test_kill_at_any_checkpoint_then_resume(whole: Whole, tmp_path: Path) -> None:
    for step in range(1, 60, 6):
        out = tmp_path / f"killed{step}"
        killed = run([*whole.arguments, "--set", "run.durability=async"], out, crash=f"put:{step}")
        assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr
        check_resumed(out, whole)


NODES = ["sample_candidates", "select_tools", "gather_evidence", "aggregate_knowledge", "score_candidates", "form_pair",
         "critique_pair", "rewrite_prompts", "record_preference"]  # fmt: skip


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_other_durability_modes_resume_as_well(whole: Whole, tmp_path: Path, durability: str) -> None:
    arguments = [*whole.arguments, "--set", f"run.durability={durability}"]
    assert run(arguments, tmp_path / "killed", crash="leave:rewrite_prompts").returncode == -signal.SIGKILL
    check_resumed(tmp_path / "killed", whole)


@pytest.mark.parametrize("edge", [pytest.param("enter", marks=pytest.mark.slow), "leave"])
@pytest.mark.parametrize("node", [*NODES[::2], *(pytest.param(node, marks=pytest.mark.slow) for node in NODES[1::2])])
def test_kill_inside_every_node_then_resume(whole: Whole, tmp_path: Path, node: str, edge: str) -> None:
    assert run(whole.arguments, tmp_path / "killed", crash=f"{edge}:{node}").returncode == -signal.SIGKILL
    check_resumed(tmp_path / "killed", whole)


def test_kill_between_record_and_cleanup_then_resume(whole: Whole, tmp_path: Path) -> None:
    assert run(whole.arguments, tmp_path / "killed", crash="delete:1").returncode == -signal.SIGKILL
    assert len(records_of(tmp_path / "killed")) == 1
    check_resumed(tmp_path / "killed", whole)


def test_kill_while_calls_are_in_flight_repeats_only_those(model: LoopbackModel, whole: Whole, tmp_path: Path) -> None:
    model.delay_seconds = 0.05
    process = start(whole.arguments, tmp_path / "killed", num_calls=8)
    process.kill()
    process.communicate()
    kept = _keys(tmp_path / "killed")
    check_resumed(tmp_path / "killed", whole)
    assert _keys(tmp_path / "killed")[: len(kept)] == kept


def test_ctrl_c_drains_and_resumes(model: LoopbackModel, whole: Whole, tmp_path: Path) -> None:
    model.delay_seconds = 0.1
    process = start(whole.arguments, tmp_path / "drained", num_calls=5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert b"stopping" in stderr
    assert json.loads((tmp_path / "drained" / "summary.json").read_text())["stopped"] == "interrupted"
    check_resumed(tmp_path / "drained", whole)


def test_second_ctrl_c_stops_at_once(model: LoopbackModel, whole: Whole, tmp_path: Path) -> None:
    process = start(whole.arguments, tmp_path / "stopped", num_calls=5)
    model.delay_seconds = 60.0
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    model.delay_seconds = 0.0
    check_resumed(tmp_path / "stopped", whole)


def test_server_sees_no_completed_request_twice(model: LoopbackModel, whole: Whole, tmp_path: Path) -> None:
    """Counted by the server, not by us."""
    assert run(whole.arguments, tmp_path / "killed", crash="leave:score_candidates").returncode == -signal.SIGKILL
    assert model.requests
    check_resumed(tmp_path / "killed", whole)
    # The other worker may have had its two calls in flight when the process died.
    sent = len(model.requests) + len(model.probes)
    assert whole.calls <= sent <= whole.calls + 2


def start(arguments: list[str], out: Path, num_calls: int) -> subprocess.Popen[bytes]:
    """Start the command and return once so many calls are in its journal."""
    command = [sys.executable, "-m", "anyprefer.cli", "run", *arguments, "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    while not (out / "journal.sqlite").exists() or len(_keys(out)) < num_calls:
        assert process.poll() is None
        time.sleep(0.005)
    return process


def _keys(out: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{out / 'journal.sqlite'}?mode=ro", uri=True)) as database:
        try:
            return [row[0] for row in database.execute("SELECT key FROM calls WHERE kind = 'model' ORDER BY id")]
        except sqlite3.OperationalError:
            return []
