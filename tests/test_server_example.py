"""LangGraph's server on a run folder, spoken to by the example: schemas, a run, a decision, a batch thread opened and forked."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from loopback import LoopbackModel, recipe_data
from rich.console import Console

from anyprefer.recipes import parse_recipe
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session

pytest.importorskip("langgraph_api", reason="needs the extra studio")
ROOT = Path(__file__).parents[1]


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel() as server:
        yield server


def make_run(folder: Path, url: str) -> Path:
    tasks = folder / "tasks.jsonl"
    tasks.write_text("".join(json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(3)))
    run = {"keep_threads": True, "durability": "async"}
    recipe = parse_recipe(recipe_data(url, run=run))
    asyncio.run(run_session(Session(recipe, tasks, folder / "run"), Progress(Console(quiet=True))))
    return folder / "run"


@pytest.fixture
def server(model: LoopbackModel, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    run = make_run(tmp_path, model.url)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {
        **os.environ, "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true", "LANGSMITH_TRACING": "false",
        "ANYPREFER_RUN": str(run), "PYTHONPATH": os.pathsep.join(sys.path),
    }  # fmt: skip
    # A folder of its own: the server keeps its state where it starts.
    (tmp_path / "langgraph.json").write_text((ROOT / "langgraph.json").read_text())
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", str(port)]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not is_up(port):
            assert process.poll() is None, (tmp_path / "server.log").read_text()[-3000:]
            assert time.monotonic() < deadline, (tmp_path / "server.log").read_text()[-3000:]
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}", run
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ok", timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.timeout(280)
def test_the_server_runs_interrupts_resumes_opens_and_forks(server: tuple[str, Path]) -> None:
    url, run = server
    output = example(run, "server/client.py", "--url", url, "--run", str(run), "t1")
    for words in (
        "input: prompt, reference\n", "setting threshold = 7", "task t1, thread",
        "forked before score_candidates: accepted",
        "round 1, sample_candidates: 5 responses", "status: interrupted", "to review, because every pair is reviewed",
        "record: accepted {'decision': 'accept'",
    ):  # fmt: skip
        assert words in output, output
    output = example(run, "mcp_tool/main.py", "--url", f"{url}/mcp", "What is 3 + 4?")
    assert "anyprefer: Synthesise one preference pair" in output
    assert "takes prompt" in output
    assert "accepted: 'Answer" in output


def example(run: Path, path: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(ROOT / "examples" / path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment, check=False)
    assert done.returncode == 0, done.stderr + (run.parent / "server.log").read_text()[-3000:]
    return done.stdout
