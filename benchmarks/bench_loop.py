"""What the loop costs beside its own model calls: CPU per task of a full run against that of the bare calls.

Both arms talk to the same loopback server in one process tree, in turn, several times; the ratio of the best runs is the figure
to quote. The run writes its folder, journal and checkpoints as any run does; the bare arm makes the same number of calls with the
same client and keeps nothing.

    python benchmarks/bench_loop.py --tasks 300 --repeats 3
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console

from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.recipes import parse_recipe
from anyprefer.runs.progress import Progress
from anyprefer.runs.session import Session, run_session
from anyprefer.types import Message

CALLS_PER_TASK = 3
"""One sampling request, one judgement, one critique."""


async def run_loop(recipe: Recipe, num_tasks: int) -> None:
    """A full run, accepted in the first round."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = Path(folder) / "tasks.jsonl"
        tasks.write_text("".join(json.dumps({"id": str(i), "prompt": f"question {i}"}) + "\n" for i in range(num_tasks)))
        summary = await run_session(Session(recipe, tasks, Path(folder) / "out"), Progress(Console(quiet=True)))
        assert summary.accepted == num_tasks, summary


async def run_bare(recipe: Recipe, num_tasks: int) -> None:
    """As many calls, with prompts of a judge's length, as many at once."""
    message = (Message(role="user", content="word " * 600),)
    gate = asyncio.Semaphore(recipe.run.concurrency)
    async with Backends(recipe) as backends:
        client = backends.client("judge", MemoryCalls())

        async def call(number: int) -> None:
            async with gate:
                await client.complete(message, CallSite(str(number), "judge", 0, "x"))

        await asyncio.gather(*(call(number) for number in range(num_tasks * CALLS_PER_TASK)))


def measure(arm: Callable[[Recipe, int], Awaitable[None]], recipe: Recipe, num_tasks: int) -> tuple[float, float]:
    """CPU milliseconds per task, and tasks per second."""
    cpu, wall = time.process_time(), time.perf_counter()

    async def main() -> None:
        await arm(recipe, num_tasks)

    asyncio.run(main())
    return (time.process_time() - cpu) / num_tasks * 1000, num_tasks / (time.perf_counter() - wall)


def main() -> None:
    """Measure both arms in turn and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    args = parser.parse_args()
    server_command = [sys.executable, str(Path(__file__).with_name("loopback_server.py")), "--latency-ms", str(args.latency_ms)]
    with subprocess.Popen(server_command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        role = {"model": "openai:bench", "base_url": server.stdout.readline().strip()}
        # A pair needs a margin of 1, and the scripted judge may give five equal scores once in many thousand tasks.
        recipe = parse_recipe(
            {"name": "bench", "target": role, "judge": role, "run": {"concurrency": 64}, "loop": {"threshold": 1}}
        )
        rows = [(measure(run_bare, recipe, args.tasks), measure(run_loop, recipe, args.tasks)) for _ in range(args.repeats)]
        assert server.stdin is not None
        server.stdin.close()
    bare, loop = min(row[0][0] for row in rows), min(row[1][0] for row in rows)
    report = {
        "tasks": args.tasks,
        "bare_cpu_ms_per_task": round(bare, 1),
        "loop_cpu_ms_per_task": round(loop, 1),
        "ratio": round(loop / bare, 2),
        "loop_tasks_per_second": round(max(row[1][1] for row in rows), 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
