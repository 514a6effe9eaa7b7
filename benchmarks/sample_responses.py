"""Sample answers to GSM8K problems from the embedded models, for measuring judges on responses that models really give.

Each problem is answered four times by the 0.5b and, where none is right, four times by the 1.5b. Two worked examples go
before the problem, so that answers are short and end in a line "Answer: NUMBER"; other answers, and those cut off, are left out.
Problems already in the output are skipped, so an interrupted run continues. `anyprefer evaluate judge --data` reads the file.

    python benchmarks/sample_responses.py gsm8k_test.jsonl benchmarks/data/gsm8k_responses.jsonl
"""

import argparse
import asyncio
import json
import re
from pathlib import Path

from anyprefer.backends.calls import CallSite, MemoryCalls
from anyprefer.backends.client import ModelClient
from anyprefer.backends.providers import Backends
from anyprefer.config import Recipe
from anyprefer.data.tasks import load_tasks
from anyprefer.recipes import parse_recipe
from anyprefer.tools.answers import final_answer, same_answer
from anyprefer.types import Message, Task

EXAMPLES = (
    ("A shop sells pens at $3 each. Tom buys 4 pens and pays with a $20 note. How much change does he get?",
     "The pens cost 4 * 3 = 12 dollars.\nHe gets 20 - 12 = 8 dollars back.\nAnswer: 8"),
    ("Mia reads 15 pages on Monday and twice as many on Tuesday. The book has 100. How many are left?",
     "On Tuesday she reads 15 * 2 = 30 pages.\nThat is 15 + 30 = 45 pages.\nSo 100 - 45 = 55 pages are left.\nAnswer: 55"),
)  # fmt: skip
_MARKED = re.compile(r"Answer: *\S*\d")


def sampling_recipe(model: str, count: int) -> Recipe:
    """One model, `count` samples at a time."""
    target = {"model": f"llamacpp:{model}", "max_tokens": 240, "temperature": 0.8, "timeout_seconds": 900.0}
    return parse_recipe({
        "name": "sample", "target": target, "judge": target, "sampling": {"num_candidates": count},
        "embedded": {"slots": count, "context_tokens": 1024},
    })  # fmt: skip


async def draw(client: ModelClient, task: Task, count: int) -> list[str]:
    """Whole, marked answers among `count` samples."""
    turns = [
        Message(role=role, content=text)  # type: ignore[arg-type]
        for pair in EXAMPLES
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    site = CallSite(task.id, "target", 0, "sample")
    done = await client.complete([*turns, Message(role="user", content=task.text)], site, n=count)
    drawn = zip(done.texts, done.endings, strict=True)
    return [text for text, ending in drawn if ending == "complete" and _MARKED.search(text)]


def finished(out: Path) -> set[str]:
    """Ids of the problems that the output has already."""
    return {json.loads(line)["id"] for line in out.read_text().splitlines()} if out.exists() else set()


async def sample(source: Path, out: Path) -> None:
    """Go through the problems in file order."""
    done = finished(out)
    async with (
        Backends(sampling_recipe("qwen2.5-coder-0.5b", 4)) as small,
        Backends(sampling_recipe("qwen2.5-coder-1.5b", 4)) as large,
    ):
        clients = [small.client("target", MemoryCalls()), large.client("target", MemoryCalls())]
        for number, task in enumerate(load_tasks(source)):
            task_id = f"gsm8k-test-{number:03d}"
            if task_id in done:
                continue
            truth = final_answer(task.answer) or ""
            texts = await draw(clients[0], task, 4)
            if not any(same_answer(final_answer(text) or "", truth) for text in texts):
                texts += await draw(clients[1], task, 4)
            row = {"id": task_id, "question": task.text, "answer": task.answer, "responses": texts}
            with out.open("a") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            print(task_id, len(texts), flush=True)


def main() -> None:
    """Read the command line and sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    asyncio.run(sample(args.source, args.out))


if __name__ == "__main__":
    main()
