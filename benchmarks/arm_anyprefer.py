"""anyprefer as its users run it: a run folder, journal and checkpoints included. Prints one JSON line.

python benchmarks/arm_anyprefer.py URL PAIRS IN_FLIGHT w1|w2|loop
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import anyprefer.runs.estimate  # noqa: F401 - no arm counts its imports as work
from anyprefer.cli import app

RECIPE = """\
name = "bench"
[target]
model = "openai:mock"
base_url = {url}
omit = {omit}
[judge]
model = "openai:mock"
base_url = {url}
[critic]
model = "openai:mock"
base_url = {url}
enabled = {critic}
[loop]
feedback = "none"
threshold = 1
[run]
concurrency = {in_flight}
max_in_flight = {in_flight}
"""
"""w1: one request for five responses and a judgement; w2: five requests and a judgement; loop: w1 and a critic."""


def main() -> None:
    """Run and report."""
    url, pairs, in_flight, workload = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "tasks.jsonl").open("w") as file:
            for number in range(pairs):
                prompt = f"Question {number}: explain topic {number * 7919 % 10007} with an example."
                file.write(json.dumps({"id": str(number), "prompt": prompt}) + "\n")
        words = {"omit": [] if workload != "w2" else ["n"], "critic": workload == "loop", "url": url, "in_flight": in_flight}
        (folder / "recipe.toml").write_text(RECIPE.format(**{key: json.dumps(value) for key, value in words.items()}))
        arguments = ["run", str(folder / "recipe.toml"), "--tasks", str(folder / "tasks.jsonl"), "--out", str(folder / "out")]
        start = time.perf_counter()
        app([*arguments, "--json"], standalone_mode=False)
        seconds = time.perf_counter() - start
        summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["tasks"] == pairs, summary
    sys.stdout.write(json.dumps({"pairs": summary["accepted"], "tasks": pairs, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
