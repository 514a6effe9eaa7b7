"""How many of the pairs that a run accepts are right against wrong, with findings that decide and with scores that do.

The candidates are responses that the embedded models gave to GSM8K problems (benchmarks/data), the same in both arms, so that
only the choice of the pair differs. Both arms pay for the same programs; the second takes them from the first one's journal.

    python benchmarks/pair_quality.py --skip 107 --limit 120 --out runs/bench-pairs

Run it again to resume.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyprefer
from anyprefer.config import Recipe
from anyprefer.recipes import load_recipe
from anyprefer.shares import Share
from anyprefer.types import Reply, Task

ROOT = Path(__file__).parents[1]

ARMS: dict[str, dict[str, Any]] = {
    "findings decide": {},
    "scores decide": {
        "judge.ask": "always", "pair.require": "none", "pair.min_certainty": 0.0, "critic.method": "paper",
        "critic.expected_score": False, "critic.analysis_chars": 200,
    },
}  # fmt: skip
"""What each arm changes of the recipe; the second is the paper's way, with the judge that the recipe has."""


def read_tasks(path: Path, skip: int, limit: int) -> Iterator[Task]:
    """The problems with their responses, in file order."""
    for line in path.read_text(encoding="utf-8").splitlines()[skip : skip + limit]:
        row = json.loads(line)
        given = tuple(Reply.of(text) for text in dict.fromkeys(row["responses"]) if text.strip())
        yield Task(id=row["id"], prompt=row["question"], reference=Reply.of(row["answer"]), given=given)


def arm_recipe(settings: dict[str, Any]) -> Recipe:
    """The GSM8K recipe on responses that are there already."""
    changes = {"sampling.existing": True, **settings}
    return load_recipe(ROOT / "recipes/text/gsm8k.toml", [f"{key}={json.dumps(value)}" for key, value in changes.items()])


def describe(name: str, summary: Any) -> str:
    """A row of the table."""
    found, yields = summary.references, summary.yields
    decided = found.decided if found else 0
    share = str(Share.of(found.right_against_wrong, decided)) if decided else "-"
    cells = [
        name, summary.tasks, summary.accepted, decided, found.right_against_wrong if found else 0, share,
        f"{yields.right_per_100_tasks or 0:.1f}", summary.prompt_tokens + summary.completion_tokens,
        f"{yields.right_per_1000_tokens or 0:.3f}",
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Run both arms and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "benchmarks/data/gsm8k_responses.jsonl")
    parser.add_argument("--skip", type=int, default=0, help="problems at the beginning of the file that are left out")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-pairs"))
    args = parser.parse_args()
    tasks = [task for task in read_tasks(args.data, args.skip, args.limit) if len(task.given) > 1]
    rows, first = [], None
    for name, settings in ARMS.items():
        out = args.out / name.replace(" ", "_")
        summary = anyprefer.run(arm_recipe(settings), tasks, out, **({"reuse": first} if first else {}))
        first = first or out
        rows.append(describe(name, summary))
    print("| arm | tasks | accepted | decided | right/wrong | share % [95 %] | right/wrong per 100 tasks | tokens | per 1,000 |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
