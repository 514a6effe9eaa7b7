"""A run of 100,000 tasks: memory over time, size of the folder, time to resume when it is finished.

python benchmarks/scale_run.py --tasks 100000
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import tomli_w
from measurement import Measured, measure, mock_server


def share(run: Measured, start: float, end: float) -> float:
    """Median memory in MB between two shares of the run's time."""
    return statistics.median(memory for second, memory in run.samples if start <= second / run.seconds <= end)


def count_ids(records: Path) -> tuple[int, int]:
    """Records, and different task ids among them."""
    ids, number = set(), 0
    with records.open() as file:
        for line in file:
            number += 1
            ids.add(json.loads(line)["task"]["id"])
    return number, len(ids)


def main() -> None:
    """Run, look, resume, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, mock_server(words=30) as mock:
        folder = Path(name)
        role = {"model": "openai:mock", "base_url": mock.url}
        recipe = {"name": "scale", "target": role, "judge": role, "loop": {"feedback": "none"}, "run": {"concurrency": 64}}
        (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
        with (folder / "tasks.jsonl").open("w") as file:
            file.writelines(json.dumps({"id": f"task-{i:07}", "prompt": f"question {i}"}) + "\n" for i in range(args.tasks))
        arguments = ["run", str(folder / "recipe.toml"), "--tasks", str(folder / "tasks.jsonl"), "--out", str(folder / "out")]
        command = [sys.executable, "-m", "anyprefer.cli", *arguments, "--json"]
        run = measure(command)
        assert run.returncode in (0, 1), run.output
        number, different = count_ids(folder / "out" / "records.jsonl")
        sizes = {path.name: round(path.stat().st_size / 2**20) for path in (folder / "out").iterdir()}
        again = measure(command)
        first, last = share(run, 0.02, 0.12), share(run, 0.88, 0.98)
        report = {
            "tasks": args.tasks, "records": number, "ids": different, "minutes": round(run.seconds / 60, 1),
            "tasks_per_second": round(args.tasks / run.seconds, 1),
            "cpu_ms_a_task": round(1000 * run.cpu_seconds / args.tasks, 2),
            "memory_first_tenth_mb": round(first), "memory_last_tenth_mb": round(last), "growth": round(last / first, 3),
            "peak_mb": round(run.peak_mb), "folder_mb": sizes, "resume_seconds": round(again.seconds, 1),
        }  # fmt: skip
    sys.stdout.write(json.dumps(report) + "\n")
    assert number == different == args.tasks


if __name__ == "__main__":
    main()
