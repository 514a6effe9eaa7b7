"""Choose an embedded judge by measurement: how often does it prefer a right answer over a wrong one, and how long does it take?

The right answer is a GSM8K reference solution; the wrong one is the same solution with one result changed and the change carried
to the end, so both read alike. Each pair is scored listwise in both orders, with the calculator's findings and without.

    python benchmarks/judge_choice.py --models smollm2-135m qwen2.5-coder-0.5b qwen2.5-coder-1.5b --num 12
"""

import argparse
import asyncio
import json
import random
import re
import time
from collections import Counter
from pathlib import Path

from anyprefer.agents.judges.base import Material
from anyprefer.agents.team import Team, build_team
from anyprefer.backends.calls import MemoryCalls
from anyprefer.backends.providers import Backends
from anyprefer.data.tasks import load_tasks
from anyprefer.recipes import parse_recipe
from anyprefer.types import Candidate, Reply, Task

RECIPE = Path(__file__).parents[1] / "recipes" / "text"
_STEP = re.compile(r"<<[^<>=]+=([0-9]+)>>")


def plain(solution: str) -> str:
    """A GSM8K solution as a person would write it."""
    return re.sub(r"<<[^<>]*>>", "", solution).replace("#### ", "The answer is ")


def corrupt(solution: str, rng: random.Random) -> str | None:
    """The solution with one intermediate result, and every later use of it, changed; None where it has no integer step."""
    steps = [match for match in _STEP.finditer(solution) if int(match[1]) > 1]
    if not steps:
        return None
    step = rng.choice(steps)
    old, new = step[1], str(int(step[1]) + rng.choice([-1, 1, 2, 10]))
    return solution[: step.start(1)] + re.sub(rf"(?<![\d.,]){old}(?![\d.,]*\d)", new, solution[step.start(1) :])


def pairs(path: Path, num: int) -> list[tuple[Task, str, str]]:
    """(task, right, wrong) for the first `num` problems that can be corrupted; the same for every model."""
    rng, found = random.Random(0), []
    for task in load_tasks(path):
        if wrong := corrupt(task.answer, rng):
            found.append((task, plain(task.answer), plain(wrong)))  # noqa: PERF401 - three lines read better
    return found[:num]


async def compare(team: Team, task: Task, right: str, wrong: str, round_: int, *, tools: bool) -> str:
    """Score one pair: `right`, `tied` or `wrong` says which the judge preferred."""
    candidates = [Candidate(index=0, output=Reply.of(right)), Candidate(index=1, output=Reply.of(wrong))]
    calls = await team.chooser.choose_tools(task, candidates, round_) if tools else ()
    evidence = await team.toolbox.gather(calls, task, candidates, round_)
    material = Material(task=task, evidence=evidence, knowledge=None, guidance="", round=round_)
    first, second = await team.judge.score(material, candidates)
    return "tied" if first.score == second.score else "right" if first.score > second.score else "wrong"


async def measure(model: str, num: int, tasks: Path, analysis_chars: int) -> list[dict[str, object]]:
    """Two rows for one judge: without and with the calculator."""
    role = {"model": f"llamacpp:{model}", "max_tokens": 700, "timeout_seconds": 900.0}
    judge = {**role, "permutations": 2, "analysis_chars": analysis_chars}
    tools = {"names": ["calculator"], "choose": "always"}
    recipe = parse_recipe({"name": "judge", "target": role, "judge": judge, "tools": tools, "field": "grade-school mathematics"})
    rows: list[dict[str, object]] = []
    async with Backends(recipe) as backends:
        team = build_team(recipe, backends, MemoryCalls())
        for round_, with_tools in enumerate((False, True)):
            start, counts = time.perf_counter(), Counter[str]()
            for task, right, wrong in pairs(tasks, num):
                counts[await compare(team, task, right, wrong, round_, tools=with_tools)] += 1
            seconds = (time.perf_counter() - start) / max(1, counts.total())
            rows.append({"judge": model, "calculator": with_tools, **counts, "seconds_per_judgement": round(seconds, 1)})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Measure every model in turn and print one JSON row per model and arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"])
    parser.add_argument("--num", type=int, default=12)
    parser.add_argument("--tasks", type=Path, default=RECIPE / "data" / "gsm8k_24.jsonl")
    parser.add_argument("--analysis-chars", type=int, default=160)
    args = parser.parse_args()
    for model in args.models:
        asyncio.run(measure(model, args.num, args.tasks, args.analysis_chars))


if __name__ == "__main__":
    main()
