"""Pairs per second, CPU and memory: anyprefer, a bare client and distilabel on one mock server, in turns.

    W1    one request for five responses, one judgement           2 calls a pair
    W2    five requests, one judgement                            6 calls a pair
    J     W1 with latencies drawn from a wide distribution
    loop  W1 and a critic; against as many bare calls             3 calls a pair

Every round runs all systems once; the table has the best and the median round. Wall time includes starting the process.
distilabel is measured where --distilabel names the Python of an environment that has it.

    python benchmarks/bench_orchestration.py --pairs 500 --rounds 5 --distilabel .venv-distilabel/bin/python
"""

import argparse
import json
import platform
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from measurement import Measured, Mock, measure, mock_server

HERE = Path(__file__).parent
IN_FLIGHT = 100
BATCH = 50
"""distilabel keeps one batch of each step in flight: its five generators of W2 together up to 250 calls, more than the others."""


@dataclass
class Row:
    """One system's runs of one workload."""

    workload: str
    system: str
    runs: list[Measured]

    def rates(self) -> list[float]:
        """Tasks per second of the work itself, each run."""
        return [reply["tasks"] / reply["seconds"] for reply in map(_reply, self.runs)]

    def line(self, pairs: int) -> str:
        """A row of the table."""
        rates = self.rates()
        cpu = min(run.cpu_seconds for run in self.runs)
        cells = [
            self.workload, self.system, f"{max(rates):.1f}", f"{statistics.median(rates):.1f}", f"{cpu:.1f}",
            f"{1000 * cpu / pairs:.1f}", f"{max(run.peak_mb for run in self.runs):.0f}",
            str(max(run.processes for run in self.runs)),
        ]  # fmt: skip
        return f"| {' | '.join(cells)} |"


def _reply(run: Measured) -> dict[str, float]:
    reply: dict[str, float] = json.loads(run.output.splitlines()[-1])
    return {"tasks": reply["pairs"], **reply}


def run_arm(system: str, python: str, mock: Mock, pairs: int, workload: str) -> Measured:
    """Run one system once on a server that starts counting from nothing."""
    mock.reset()
    in_flight = BATCH if system == "distilabel" else IN_FLIGHT
    run = measure([python, str(HERE / f"arm_{system}.py"), mock.url, str(pairs), str(in_flight), workload])
    assert run.returncode == 0, f"{system} failed on {workload}: {run.output}"
    sys.stderr.write(f"{workload} {system}: {run.output.strip()} {mock.stats()}\n")
    return run


def compare(name: str, workload: str, args: argparse.Namespace, **server: float) -> list[Row]:
    """All systems on one workload, in turns."""
    systems = {"raw": sys.executable, "anyprefer": sys.executable}
    if args.distilabel and workload != "loop":
        systems["distilabel"] = args.distilabel
    if workload == "loop":
        del systems["raw"]
    rows = [Row(name, system, []) for system in systems]
    with mock_server(latency_ms=args.latency_ms, **server) as mock:
        for _ in range(args.rounds):
            for row in rows:
                row.runs.append(run_arm(row.system, systems[row.system], mock, args.pairs, workload))
    return rows


def ratios(rows: list[Row]) -> list[str]:
    """What each peer's best rate is to ours."""
    lines = []
    for workload in dict.fromkeys(row.workload for row in rows):
        best = {row.system: max(row.rates()) for row in rows if row.workload == workload}
        peers = best.keys() - {"anyprefer"}
        lines += [f"{workload}: anyprefer is {best['anyprefer'] / best[peer]:.2f} x {peer}" for peer in peers]
    return sorted(lines)


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-ms", type=float, default=200.0)
    parser.add_argument("--distilabel", help="Python with distilabel 1.5.3")
    parser.add_argument("--workloads", default="W1,W2,J,loop")
    args = parser.parse_args()
    cases = {"W1": ("w1", {}), "W2": ("w2", {}), "J": ("w1", {"jitter": 0.8}), "loop": ("loop", {})}
    rows = []
    for name in args.workloads.split(","):
        workload, server = cases[name]
        rows += compare(name, workload, args, **server)
    setting = f"{args.pairs} pairs, {args.latency_ms:g} ms, {IN_FLIGHT} in flight, {args.rounds} rounds"
    lines = [
        f"{setting}; Python {platform.python_version()}, {platform.machine()}", "",
        "| work | system | pairs/s best | median | CPU s | CPU ms a pair | peak MB | processes |",
        "|---|---|---|---|---|---|---|---|",
        *(row.line(args.pairs) for row in rows), "", *ratios(rows),
    ]  # fmt: skip
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
