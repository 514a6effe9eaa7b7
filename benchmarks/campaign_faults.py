"""A run against a server full of faults, beside the same run without: every task in one record, no bad pair, little time lost.

Of all requests 30 % are throttled, 5 % fail, 5 % are malformed, 5 % empty, 2 % hang, 2 % are dropped and 10 % tied. Prints one
JSON object with the ratio of time per call; the assertions are the result. With --accept the faulty run must stop at exactly
that many accepted records.

    python benchmarks/campaign_faults.py --tasks 2000
    python benchmarks/campaign_faults.py --tasks 2000 --accept 200
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import tomli_w
from campaign_crash import check
from measurement import Measured, Mock, measure, mock_server

FAULTS = {
    "throttled": 0.3, "failing": 0.05, "malformed": 0.05, "empty": 0.05, "hanging": 0.02, "dropped": 0.02, "tied": 0.1,
}  # fmt: skip
TIMEOUT_SECONDS = 5.0


def run_once(folder: Path, mock: Mock, num_tasks: int, accept: int | None) -> Measured:
    """One run in a folder of its own."""
    folder.mkdir()
    role = {"model": "openai:mock", "base_url": mock.url, "timeout_seconds": TIMEOUT_SECONDS}
    recipe = {
        "name": "campaign", "target": role, "judge": role, "loop": {"threshold": 7, "max_rounds": 1},
        "run": {"concurrency": 300, "max_in_flight": 64},
    }  # fmt: skip
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
    rows = (json.dumps({"id": f"t{i}", "prompt": f"question {i}"}) + "\n" for i in range(num_tasks))
    (folder / "tasks.jsonl").write_text("".join(rows))
    arguments = ["run", str(folder / "recipe.toml"), "--tasks", str(folder / "tasks.jsonl"), "--out", str(folder / "out")]
    goal = ["--accept", str(accept)] if accept else []
    run = measure([sys.executable, "-m", "anyprefer.cli", *arguments, *goal, "--json"])
    assert run.returncode in (0, 1), run.output
    return run


def describe(run: Measured, summary: dict[str, Any]) -> dict[str, Any]:
    """What one run took."""
    return {
        "seconds": round(run.seconds, 1), "calls": summary["calls"], "ms_a_call": round(1000 * run.seconds / summary["calls"], 2),
        "cpu_seconds": round(run.cpu_seconds, 1), "peak_mb": round(run.peak_mb),
    }  # fmt: skip


def main() -> None:
    """Run without and with faults, check, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--latency-ms", type=float, default=200.0)
    parser.add_argument("--accept", type=int)
    args = parser.parse_args()
    report: dict[str, Any] = {"tasks": args.tasks, "accept": args.accept}
    with tempfile.TemporaryDirectory() as name:
        for kind, faults in (("without", {"tied": 0.1}), ("with", FAULTS)):
            with mock_server(latency_ms=args.latency_ms, **faults) as mock:
                folder = Path(name) / kind
                run = run_once(folder, mock, args.tasks, args.accept if kind == "with" else None)
                summary = json.loads((folder / "out" / "summary.json").read_text())
                report[kind] = {**describe(run, summary), "server": mock.stats()}
        if args.accept:
            assert summary["accepted"] == args.accept, summary
            statuses = [json.loads(line)["status"] for line in (folder / "out" / "records.jsonl").read_text().splitlines()]
            report["accepted"] = statuses.count("accepted")
            assert report["accepted"] == args.accept
        else:
            report["checked"] = check(folder, args.tasks)
            report["time_ratio_at_equal_calls"] = round(report["with"]["ms_a_call"] / report["without"]["ms_a_call"], 2)
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
